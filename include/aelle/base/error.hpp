#pragma once
/// Errors of the library. Library code throws these and never prints or exits; `app` maps them to exit statuses.
///
/// A message names the file, key, dataset or argument, what was found and what was expected, in that order:
/// `runs/demo.toml:12:9: variants.hidden: found -3, expected an integer from 1 to 65536`.

#include <stdexcept>
#include <string>

namespace aelle {

/// Exit statuses of the program; values and meaning follow sysexits.h.
enum class ExitStatus : int {
    ok = 0,
    usage = 64,          ///< wrong command line
    data = 65,           ///< bad data or study file, or a folder that belongs to another study or kind of device
    no_input = 66,       ///< an input file is missing
    internal = 70,       ///< a broken invariant: a bug
    cannot_create = 73,  ///< output cannot be created, or its folder is in use
    io = 74,             ///< disk full, short read
    interrupted = 75,    ///< stopped on request; running again continues
};

/// Base of all errors that the library throws on purpose.
class Error : public std::runtime_error {
public:
    Error(ExitStatus status, const std::string& message) : std::runtime_error(message), status_(status) {}
    ExitStatus status() const noexcept { return status_; }

private:
    ExitStatus status_;
};

/// One class per status, so that callers can catch what they can handle and `throw` sites read as what happened.
template <ExitStatus Status>
class ErrorOf : public Error {
public:
    explicit ErrorOf(const std::string& message) : Error(Status, message) {}
};

using UsageError = ErrorOf<ExitStatus::usage>;
using DataError = ErrorOf<ExitStatus::data>;
using MissingInput = ErrorOf<ExitStatus::no_input>;
using InternalError = ErrorOf<ExitStatus::internal>;
using CannotCreate = ErrorOf<ExitStatus::cannot_create>;
using IoError = ErrorOf<ExitStatus::io>;
using Interrupted = ErrorOf<ExitStatus::interrupted>;

/// Always-on check of an invariant at a module boundary; throws InternalError with `message`.
inline void require(bool condition, const char* message) {
    if (!condition) throw InternalError(std::string("internal error: ") + message);
}

}  // namespace aelle
