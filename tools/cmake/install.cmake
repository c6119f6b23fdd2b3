# Headers, the room libraries, the program, the study files, and find_package(aelle).
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/aelle)

install(DIRECTORY include/aelle DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY runs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/aelle/runs FILES_MATCHING PATTERN "*.toml")
install(TARGETS ${aelle_libraries} EXPORT aelle DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET aelle)
  install(TARGETS aelle DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET aelle_cuda)
  install(TARGETS aelle_cuda DESTINATION ${CMAKE_INSTALL_LIBDIR})  # opened at run time, not linked
endif()
install(EXPORT aelle NAMESPACE aelle:: FILE aelle-targets.cmake DESTINATION ${package_folder})

string(REPLACE "aelle_" "" AELLE_LAST_ROOM "${aelle_last}")
configure_package_config_file(tools/cmake/aelle-config.cmake.in ${PROJECT_BINARY_DIR}/generated/aelle-config.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/aelle-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/generated/aelle-config.cmake ${PROJECT_BINARY_DIR}/generated/aelle-config-version.cmake
  DESTINATION ${package_folder})
