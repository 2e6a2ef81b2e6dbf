# Writes a CTest file with one test for every suite of a GoogleTest program: a suite shares the program's start, half a
# second with LibTorch. Script: cmake -DPROGRAM=PATH -DOUT=FILE -P ListSuites.cmake
execute_process(COMMAND "${PROGRAM}" --gtest_list_tests OUTPUT_VARIABLE listing COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "#[^\n]*" "" listing "${listing}")  # values of parameters
string(REPLACE "\n" ";" lines "${listing}")

# add_suite(NAME COUNT): labels by the first letters of a suite's name, the prefix of its parameters left out.
function(add_suite suite count)
  set(properties "TIMEOUT 600 COST ${count}")
  if(suite MATCHES "(^|/)Full")
    set(properties "TIMEOUT 1800 LABELS full")
  elseif(suite MATCHES "(^|/)Gpu")
    set(properties "TIMEOUT 600 LABELS gpu RUN_SERIAL ON")
  endif()
  string(APPEND content "add_test([=[${suite}]=] [=[${PROGRAM}]=] [=[--gtest_filter=${suite}.*]=] --gtest_brief=1)\n"
    "set_tests_properties([=[${suite}]=] PROPERTIES ${properties} ENVIRONMENT OMP_NUM_THREADS=1\n"
    "  SKIP_REGULAR_EXPRESSION \"PASSED  \\\\] 0 tests.\\n.  SKIPPED\")\n")
  set(content "${content}" PARENT_SCOPE)
endfunction()

set(content "")
set(suite "")
set(count 0)
foreach(line IN LISTS lines ITEMS "end.")
  if(line MATCHES "^  ")
    math(EXPR count "${count} + 1")
  elseif(line MATCHES "^([^ ]+)\\.")
    set(next "${CMAKE_MATCH_1}")
    if(count GREATER 0)
      add_suite("${suite}" ${count})
    endif()
    set(suite "${next}")
    set(count 0)
  endif()
endforeach()
file(WRITE "${OUT}" "${content}")
