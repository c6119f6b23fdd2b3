#include "aelle/io/file.hpp"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scratch.hpp"

namespace aelle::io {
namespace {

using test::contains;
using test::fs::path;
using test::message_of;

class Files : public test::Scratch {};

TEST_F(Files, WhatIsWrittenIsRead) {
    std::string content(3'000'000, 'x');
    for (std::size_t i = 0; i < content.size(); i += 7) content[i] = static_cast<char>(i % 251);
    write_atomically(folder_ / "a", content);
    EXPECT_EQ(read_text(folder_ / "a"), content);
    EXPECT_EQ(read_bytes(folder_ / "a").size(), content.size());
    write_atomically(folder_ / "a", std::string_view(""));
    EXPECT_EQ(read_text(folder_ / "a"), "");
    EXPECT_EQ(entries(), 1) << "temporary files are left";
}

TEST_F(Files, AMissingFileIsMissingInput) {
    EXPECT_TRUE(contains(message_of<MissingInput>([&] { read_text(folder_ / "none"); }), (folder_ / "none").string()));
    message_of<MissingInput>([&] { read_bytes(folder_ / "no folder" / "none"); });
    message_of<IoError>([&] { read_bytes(folder_); });
}

TEST_F(Files, AMissingFolderCannotBeWrittenTo) {
    const path file = folder_ / "no folder" / "a";
    EXPECT_TRUE(contains(message_of<CannotCreate>([&] { write_atomically(file, std::string_view("a")); }), file.string()));
    std::filesystem::create_directory(folder_ / "occupied");
    message_of<CannotCreate>([&] { write_atomically(folder_ / "occupied", std::string_view("a")); });
    EXPECT_EQ(entries(), 1);
}

TEST_F(Files, AFolderWithoutPermissionCannotBeWrittenTo) {
    const path file = folder_ / "a";
    const pid_t child = fork();
    if (child == 0) {  // root may write everywhere, so become nobody
        std::filesystem::permissions(folder_, std::filesystem::perms::owner_all | std::filesystem::perms::others_exec |
                                                  std::filesystem::perms::others_read);
        if (getuid() == 0) {
            if (setuid(65534) != 0) _exit(2);
        } else {
            std::filesystem::permissions(folder_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
        }
        try {
            write_atomically(file, std::string_view("a"));
        } catch (const CannotCreate& error) {
            _exit(contains(error.what(), "Permission denied") ? 0 : 3);
        } catch (...) {
            _exit(4);
        }
        _exit(5);
    }
    int status = 0;
    waitpid(child, &status, 0);
    std::filesystem::permissions(folder_, std::filesystem::perms::owner_all);
    if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "root may not become nobody here";
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Files, AFileSizeLimitIsAnErrorThatKeepsTheOldFile) {
    write_atomically(folder_ / "a", std::string_view("old"));
    rlimit old{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{100'000, old.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const std::string content(200'000, 'x');
    const std::string message = message_of<IoError>([&] { write_atomically(folder_ / "a", content); });
    setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, handler);
    EXPECT_TRUE(contains(message, (folder_ / "a").string()) && contains(message, "File too large")) << message;
    EXPECT_EQ(read_text(folder_ / "a"), "old");
    EXPECT_EQ(entries(), 1);
}

TEST_F(Files, AFullDiskIsAnErrorThatKeepsTheOldFile) {
    const path disk = folder_ / "disk";
    std::filesystem::create_directory(disk);
    if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k") != 0) GTEST_SKIP() << "no permission to mount a small tmpfs";
    write_atomically(disk / "a", std::string_view("old"));
    const std::string message = message_of<IoError>([&] { write_atomically(disk / "a", std::string(1'000'000, 'x')); });
    const std::string kept = read_text(disk / "a");
    const bool clean = std::distance(std::filesystem::directory_iterator(disk), std::filesystem::directory_iterator()) == 1;
    EXPECT_EQ(umount(disk.c_str()), 0);
    EXPECT_TRUE(contains(message, (disk / "a").string()) && contains(message, "No space left")) << message;
    EXPECT_EQ(kept, "old");
    EXPECT_TRUE(clean) << "a temporary file is left";
}

TEST_F(Files, AKilledWriterLeavesTheOldFileAndARecognisableTemporary) {
    write_atomically(folder_ / "a", std::string(1000, 'o'));
    const std::string big(50'000'000, 'n');
    int temporaries = 0;
    for (int delay = 0; delay < 20; ++delay) {
        const pid_t child = fork();
        if (child == 0) {
            write_atomically(folder_ / "a", big);
            _exit(0);
        }
        usleep(static_cast<useconds_t>(2000 * delay));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        const std::string found = read_text(folder_ / "a");
        EXPECT_TRUE(found == std::string(1000, 'o') || found == big) << "half a file of " << found.size() << " bytes";
        for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
            if (entry.path() == folder_ / "a") continue;
            EXPECT_TRUE(is_temporary(entry.path())) << entry.path();
            ++temporaries;
            std::filesystem::remove(entry.path());
        }
    }
    EXPECT_GT(temporaries, 0) << "no writer was killed while writing";
    EXPECT_FALSE(is_temporary(folder_ / "a"));
}

}  // namespace
}  // namespace aelle::io
