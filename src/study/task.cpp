#include "aelle/study/task.hpp"

#include "aelle/study/signal_task.hpp"

namespace aelle::study {

std::unique_ptr<StudyTask> make_task(TomlTable& root, const StudyConfig& config) {
    return std::make_unique<SignalTask>(root, config);  // the only task so far; read_config has checked its name
}

}  // namespace aelle::study
