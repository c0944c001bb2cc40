# What `cmake --install` puts in place beside the program, its man pages (tools/) and its
# data (data/): the libraries with the headers of what others may build on, a
# radscout.pc that knows where everything is, and the documents.
# SPDX-License-Identifier: Apache-2.0

# The public headers: what is named here, and nothing that shows a third party's types.
set(rs_public
    base/alloc.h base/arena.h base/bytes.h base/clock.h base/hash.h base/log.h base/progress.h
    base/random.h base/status.h base/threads.h
    embeddings/dual.h embeddings/dual_fast.h embeddings/encoder.h embeddings/image.h
    embeddings/linear.h embeddings/preprocess.h embeddings/safetensors.h embeddings/tokenizer.h
    engine/archive.h engine/query.h
    indexer/index.h indexer/source.h)
foreach(header ${rs_public})
    get_filename_component(room "${header}" DIRECTORY)
    install(FILES "${header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/radscout/${room}")
endforeach()
install(TARGETS rs_base rs_embeddings rs_engine rs_indexer
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")

# FAISS out of the user's cache goes with us, since a cache may be emptied; a shared one
# of the system stays where it is.
if(FAISS_C_LIBRARY MATCHES "\\.a$")
    install(FILES "${FAISS_C_LIBRARY}" "${FAISS_LIBRARY}"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/radscout")
    set(rs_pc_faiss "-L\${libdir}/radscout -lfaiss_c -lfaiss")
else()
    set(rs_pc_faiss "${FAISS_C_LIBRARY} ${FAISS_LIBRARY}")
endif()
set(rs_pc_dnnl)
if(TARGET rs::dnnl)
    set(rs_pc_dnnl "${DNNL_LIBRARY}")
endif()
file(RELATIVE_PATH rs_pc_includedir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
    "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
string(PREPEND rs_pc_includedir "\${pcfiledir}/")
configure_file(cmake/radscout.pc.in "${CMAKE_BINARY_DIR}/radscout.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/radscout.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

foreach(document LICENSE README.md CHANGELOG.md ARCHITECTURE.md)
    install(FILES "${document}" DESTINATION "${CMAKE_INSTALL_DOCDIR}" OPTIONAL)
endforeach()
