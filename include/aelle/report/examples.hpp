#pragma once
/// Group `example` of study.h5: what the best, the median and the worst variant of a study produce.

#include <cstdint>
#include <string>
#include <vector>

#include "aelle/io/h5.hpp"

namespace aelle::report {

/// n variants (at most 3) by ascending loss. Of the parts below one has values: that of the study's task.
struct Examples {
    std::vector<int64_t> variant;  ///< (n)
    std::vector<double> loss;      ///< (n)

    // signal: S samples
    std::vector<double> time;            ///< (S), time constants
    std::vector<double> target, output;  ///< (n, S)

    // smnist: I images of `rows` x `columns` pixels, C classes
    int64_t images = 0, rows = 0, columns = 0, classes = 0;
    std::vector<double> pixels;       ///< (I, rows, columns), 0 to 1
    std::vector<int64_t> digit;       ///< (I)
    std::vector<double> probability;  ///< (n, I, C)

    // charrnn: W windows of T steps, the P likeliest characters at each
    int64_t windows = 0, steps = 0, places = 0;
    std::vector<std::string> vocabulary;
    std::vector<int64_t> next;               ///< (W, T) the character after each, as a place in the vocabulary
    std::vector<int64_t> likely;             ///< (n, W, T, P), likeliest first
    std::vector<double> likely_probability;  ///< (n, W, T, P)
};

/// Without values where the file has no complete group. DataError naming the dataset where one is of another shape or points outside the vocabulary.
Examples read_examples(const io::H5Reader& file);

}  // namespace aelle::report
