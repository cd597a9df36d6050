// What the fuzzers were given and have found, as ordinary tests: each target gets each file of its folder in corpus/.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "target.hpp"

namespace sennit::fuzz {
namespace {

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

std::string contents(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

void replay(const char* target, void (*check)(input)) {
    const auto files = files_in(std::filesystem::path(SENNIT_FUZZ_CORPUS) / target);
    EXPECT_FALSE(files.empty());
    for (const auto& file : files) {
        SCOPED_TRACE(file.filename().string());
        EXPECT_NO_THROW(check(input(contents(file))));
    }
    ::testing::Test::RecordProperty("inputs", static_cast<int>(files.size()));
}

TEST(FuzzCorpus, IpAddress) {
    replay("ip_address", ip_address);
}

TEST(FuzzCorpus, Endpoint) {
    replay("endpoint", endpoint);
}

TEST(FuzzCorpus, LineReader) {
    replay("line_reader", line_reader);
}

#if SENNIT_FUZZ_DEMOS

TEST(FuzzCorpus, CommandValues) {
    replay("command_values", command_values);
}

TEST(FuzzCorpus, SafeText) {
    replay("safe_text", safe_text);
}

#endif

}  // namespace
}  // namespace sennit::fuzz
