# Writes OUTPUT, the facts about this build, at build time, and touches it only when they change: a new commit recompiles one file.
# Called with -DSOURCE, -DOUTPUT, -DVERSION, -DCOMPILER, -DFLAGS, -DBUILD_TYPE.
set(commit unknown)
find_program(git_program git)
if(git_program AND EXISTS "${SOURCE}/.git")
  execute_process(COMMAND "${git_program}" describe --always --dirty --abbrev=12 --exclude=*
    WORKING_DIRECTORY "${SOURCE}" RESULT_VARIABLE result OUTPUT_VARIABLE answer ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(result EQUAL 0 AND answer)
    set(commit "${answer}")
  endif()
endif()
string(SHA256 build_id "${VERSION}|${commit}|${COMPILER}|${FLAGS}|${BUILD_TYPE}")
string(SUBSTRING "${build_id}" 0 16 build_id)

set(text "#define AELLE_VERSION \"${VERSION}\"\n#define AELLE_COMMIT \"${commit}\"\n#define AELLE_COMPILER \"${COMPILER}\"\n")
string(APPEND text "#define AELLE_FLAGS \"${FLAGS}\"\n#define AELLE_BUILD_TYPE \"${BUILD_TYPE}\"\n#define AELLE_BUILD_ID \"${build_id}\"\n")
set(previous "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" previous)
endif()
if(NOT previous STREQUAL text)
  file(WRITE "${OUTPUT}" "${text}")
endif()
