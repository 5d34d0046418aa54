# Makes include/multikernel/channel.h: what a C program needs of the rooms arch, base and channel, in
# one file without further files, lowest first.
set(channel_header "${CMAKE_CURRENT_BINARY_DIR}/include/multikernel/channel.h")
set(channel_headers
  arch/arch.h base/align.h base/hint.h base/message.h base/wait.h channel/ring.h channel/used_ring.h
  channel/call_line.h channel/bell.h channel/holders.h channel/channel.h channel/frame.h
  channel/side.h channel/blocking.h)
set(channel_sources
  channel/in_memory.c channel/by_host.c channel/bell.c channel/holders.c channel/waiting.c
  channel/side.c channel/frame.c channel/blocking.c)

function(append_without_own_includes into files)
  foreach(file IN LISTS files)
    file(READ "${CMAKE_CURRENT_SOURCE_DIR}/${file}" one)
    if(file STREQUAL "arch/arch.h") # which includes one of several
      foreach(processor x86_64 aarch64)
        file(READ "${CMAKE_CURRENT_SOURCE_DIR}/arch/${processor}.h" inner)
        string(REPLACE "#include \"arch/${processor}.h\"" "${inner}" one "${one}")
      endforeach()
    endif()
    string(REGEX REPLACE "#pragma once\n" "" one "${one}")
    string(REGEX REPLACE "#include \"[^\"\n]*\"\n" "" one "${one}")
    string(APPEND ${into} "\n/* ===== ${file} ===== */\n${one}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
  endforeach()
  set(${into} "${${into}}" PARENT_SCOPE)
endfunction()

file(READ "${CMAKE_CURRENT_SOURCE_DIR}/channel_header.h.in" text)
append_without_own_includes(text "${channel_headers}")
string(APPEND text "\n#ifdef MULTIKERNEL_CHANNEL_IMPLEMENTATION\n")
append_without_own_includes(text "${channel_sources}")
string(APPEND text "\n#endif\n")
file(GENERATE OUTPUT "${channel_header}" CONTENT "${text}")
install(FILES "${channel_header}" DESTINATION multikernel/include/multikernel)
