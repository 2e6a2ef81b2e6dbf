# Script: fails if the loader would bring LibTorch in with PROGRAM.
execute_process(COMMAND ldd "${PROGRAM}" OUTPUT_VARIABLE libraries COMMAND_ERROR_IS_FATAL ANY)
if(libraries MATCHES "libtorch|libc10" OR libraries MATCHES "not found")
  message(FATAL_ERROR "${PROGRAM} must find all its libraries, and LibTorch not be among them:\n${libraries}")
endif()
