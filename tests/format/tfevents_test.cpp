#include "bt/format/tfevents.h"

#include <bit>
#include <cmath>
#include <map>
#include <optional>

#include "bt/format/crc32c.h"
#include "format_test_support.h"

namespace bt {
namespace {

using test::names_in;
using test::read_text;
using test::TempFolder;

TEST(Crc32c, MatchesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(""), 0u);
}

// An independent reader of the file, by the text of the formats.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }
  std::string_view take(size_t count) {
    if (count > bytes_.size()) throw std::runtime_error("record is cut short");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  uint64_t fixed(size_t width) {
    uint64_t value = 0;
    const std::string_view taken = take(width);
    for (size_t i = width; i-- > 0;) value = value * 256 + static_cast<unsigned char>(taken[i]);
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

 private:
  std::string_view bytes_;
};

struct Event {
  double wall_time = 0;
  std::optional<int64_t> step;
  std::string file_version;
  std::vector<ScalarSummary> scalars;
};

ScalarSummary parse_value(std::string_view bytes) {
  ScalarSummary scalar;
  for (Cursor in(bytes); !in.done();) {
    const uint64_t tag = in.varint();
    if (tag == (1 << 3 | 2))
      scalar.tag = in.take(in.varint());
    else if (tag == (2 << 3 | 5))
      scalar.value = std::bit_cast<float>(static_cast<uint32_t>(in.fixed(4)));
    else
      throw std::runtime_error("unexpected field of Summary.Value");
  }
  return scalar;
}

Event parse_event(std::string_view bytes) {
  Event event;
  for (Cursor in(bytes); !in.done();) {
    const uint64_t tag = in.varint();
    if (tag == (1 << 3 | 1))
      event.wall_time = std::bit_cast<double>(in.fixed(8));
    else if (tag == (2 << 3 | 0))
      event.step = static_cast<int64_t>(in.varint());
    else if (tag == (3 << 3 | 2))
      event.file_version = in.take(in.varint());
    else if (tag == (5 << 3 | 2)) {
      for (Cursor summary(in.take(in.varint())); !summary.done();) {
        if (summary.varint() != (1 << 3 | 2)) throw std::runtime_error("unexpected field of Summary");
        event.scalars.push_back(parse_value(summary.take(summary.varint())));
      }
    } else
      throw std::runtime_error("unexpected field of Event");
  }
  return event;
}

uint32_t mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

std::vector<Event> read_events(const std::string& path) {
  const std::string text = read_text(path);
  std::vector<Event> events;
  for (Cursor in(text); !in.done();) {
    const std::string_view length_bytes = in.take(8);
    EXPECT_EQ(in.fixed(4), mask(crc32c(length_bytes)));
    const std::string_view data = in.take(Cursor(length_bytes).fixed(8));
    EXPECT_EQ(in.fixed(4), mask(crc32c(data)));
    events.push_back(parse_event(data));
  }
  return events;
}

TEST(EventWriter, AReaderFindsVersionAndScalars) {
  const TempFolder folder;
  EventWriter writer(folder / "logs", 1700000000.5, "host-1");
  EXPECT_EQ(writer.path(), folder / "logs/events.out.tfevents.1700000000.host-1");
  const std::vector<ScalarSummary> first = {{"train/loss", 2.5f}, {"train/lr", 1e-4f}};
  const std::vector<ScalarSummary> second = {{std::string(300, 't'), NAN}, {"eval/\xc3\xa9", -INFINITY}};
  writer.write_scalars(0, first, 1700000001.25);
  writer.write_scalars(int64_t{1} << 40, second, 1700000002);
  const std::vector<Event> events = read_events(writer.path());
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_EQ(events[0].wall_time, 1700000000.5);
  EXPECT_EQ(events[1].step, 0);
  EXPECT_EQ(events[1].wall_time, 1700000001.25);
  ASSERT_EQ(events[1].scalars.size(), 2u);
  EXPECT_EQ(events[1].scalars[0].tag, "train/loss");
  EXPECT_EQ(events[1].scalars[0].value, 2.5f);
  EXPECT_EQ(events[1].scalars[1].value, 1e-4f);
  EXPECT_EQ(events[2].step, int64_t{1} << 40);
  EXPECT_EQ(events[2].scalars[0].tag, std::string(300, 't'));
  EXPECT_TRUE(std::isnan(events[2].scalars[0].value));
  EXPECT_EQ(events[2].scalars[1].value, -INFINITY);
}

TEST(EventWriter, ARestartInTheSameSecondGetsItsOwnFile) {
  const TempFolder folder;
  EventWriter first(folder.path(), 1700000000.9, "h");
  EventWriter second(folder.path(), 1700000000.9, "h");
  EXPECT_EQ(names_in(folder.path()),
            (std::vector<std::string>{"events.out.tfevents.1700000000.h", "events.out.tfevents.1700000001.h"}));
  EXPECT_EQ(read_events(first.path()).size(), 1u);
  EXPECT_EQ(read_events(second.path()).size(), 1u);
}

TEST(EventWriter, NamesFileByClockAndHost) {
  const TempFolder folder;
  EventWriter writer(folder.path());
  writer.write_scalars(1, std::vector<ScalarSummary>{{"a", 1}});
  EXPECT_THAT(names_in(folder.path()), testing::ElementsAre(testing::StartsWith("events.out.tfevents.")));
  EXPECT_GT(read_events(writer.path())[1].wall_time, 1.7e9);
}

TEST(EventWriter, AFolderThatCannotBeMadeIsAnIoError) {
  const TempFolder folder;
  test::write_text(folder / "file", "");
  test::expect_error(ExitCode::io, {"file"}, [&] { EventWriter writer(folder / "file", 1, "h"); });
}

}  // namespace
}  // namespace bt
