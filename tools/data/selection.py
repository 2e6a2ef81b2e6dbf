"""Choosing rows by a hash of what they say, so that the choice depends on neither the order nor the number of files."""
import hashlib
import heapq
import math

KEY_BITS = 128


def key(seed, *texts):
    """A number below 2^128 from a seed and texts; the same on every machine."""
    digest = hashlib.blake2b("\0".join(texts).encode(), digest_size=KEY_BITS // 8, key=str(seed).encode())
    return int.from_bytes(digest.digest(), "big")


def is_held_out(text, share):
    """Whether the text is of the share kept from training. Blanks do not count, and there is no seed: a text held out
    once is held out in every selection with this share or a greater one."""
    return share > 0 and key("held out", " ".join(text.split())) < share * 2**KEY_BITS


class Smallest:
    """The items of the smallest keys: at most `count`, and the longest run from the smallest on whose sizes add up to at
    most `size`. Of items with the same key the least is kept. Memory: the items kept."""

    def __init__(self, count=math.inf, size=math.inf):
        self.count, self.size = count, size
        self.total = 0
        self.limit = math.inf  # keys from here on can never be among the smallest
        self.kept = {}         # key: (item, size)
        self.heap = []         # the kept keys, negative

    def offer(self, item_key, item, size=1):
        if item_key >= self.limit:
            return
        if item_key in self.kept:
            self.kept[item_key] = min(self.kept[item_key], (item, size))
            return
        self.kept[item_key] = (item, size)
        heapq.heappush(self.heap, -item_key)
        self.total += size
        while len(self.kept) > self.count or self.total > self.size:
            self.limit = -heapq.heappop(self.heap)
            self.total -= self.kept.pop(self.limit)[1]

    def items(self):
        """In the order of their keys, which is a random one."""
        return [self.kept[item_key][0] for item_key in sorted(self.kept)]
