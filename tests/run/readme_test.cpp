// What the README tells users to type does what it says.
#include "program.hpp"

namespace aelle::test {
namespace {

/// The first block of shell commands below a heading of the README.
std::string shell_block(const std::string& heading) {
    const std::string readme = slurp(source / "README.md"), fence = "\n```sh\n";
    const std::size_t section = readme.find("\n## " + heading + "\n");
    if (section == std::string::npos) return "";
    const std::size_t begin = readme.find(fence, section), next = readme.find("\n## ", section + 1);
    if (begin == std::string::npos || begin > next) return "";
    return readme.substr(begin + fence.size(), readme.find("\n```\n", begin + 1) - begin - fence.size() + 1);
}

class Readme : public ProgramTest {
protected:
    Outcome shell(const std::string& script) const {
        const std::string place = "cd '" + scratch_.string() + "' && PATH='" + fs::path(program).parent_path().string() + "':\"$PATH\"\n";
        return Process({"bash", "-e", "-c", place + script}, scratch_).wait();
    }
};

TEST_F(Readme, TwoCommandsGiveTheSpectrumOfAPytorchNetwork) {
    const std::string commands = shell_block("The spectrum of your PyTorch network in two commands");
    ASSERT_NE(commands.find("aelle spectrum"), std::string::npos) << "no such block in README.md";
    const std::string absent = absent_from_python({"h5py", "safetensors", "torch"});
    if (!absent.empty()) GTEST_SKIP() << absent;
    const Outcome outcome = shell(commands);
    ASSERT_EQ(outcome.status, 0) << commands << outcome.err;
    const io::H5Reader result(scratch_ / "spectrum.h5");
    EXPECT_EQ(result.dims("exponents"), (io::Dims{10, 128}));
    EXPECT_EQ(result.dims("spectrum"), (io::Dims{128}));
    const Outcome compared = shell("python3 '" + (source / "tests" / "run" / "torch_spectrum.py").string() + "' net.safetensors inputs.h5 spectrum.h5");
    EXPECT_EQ(compared.status, 0) << compared.out << compared.err;
}

}  // namespace
}  // namespace aelle::test
