#include "src/lyapunov/step_map.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace aelle::lyapunov {

template <class T>
void StepMap<T>::assemble() {
    if (assembled_) return;
    if (map_.rows() == 0) map_ = Matrix<T>(dimension_, dimension_);
    if (form_ == Form::regrouped) system_.unsheared_jacobian(map_.view());
    else system_.jacobian(map_.view());
    if (form_ == Form::transposed)
        for (int64_t j = 0; j < dimension_; ++j)
            for (int64_t i = 0; i < j; ++i) std::swap(map_(i, j), map_(j, i));
    assembled_ = true;
}

template <class T>
void StepMap<T>::multiply(MatrixView<const T> v, MatrixView<T> w) {
    switch (form_) {
        case Form::whole: return system_.tangent(v, w);
        case Form::regrouped: return system_.unsheared_tangent(v, w);
        case Form::transposed: break;
    }
    assemble();
    backend_.multiply(false, false, std::as_const(map_).view(), v, T(0), w);
}

template <class T>
double StepMap<T>::shear(MatrixView<T> v) {
    if (form_ != Form::regrouped || !system_.shears()) return 0.0;
    if (before_.cols() < v.cols) before_ = Matrix<T>(dimension_, v.cols);
    for (int64_t j = 0; j < v.cols; ++j) std::copy_n(v.column(j), v.rows, before_.column(j));
    system_.shear(v);
    double squares = 0.0;
    for (int64_t j = 0; j < v.cols; ++j) {
        for (int64_t i = 0; i < v.rows; ++i) {
            const double change = static_cast<double>(v(i, j)) - static_cast<double>(before_(i, j));
            squares += change * change;
        }
    }
    return std::sqrt(squares);
}

template <class T>
double StepMap<T>::log_abs_det(backend::Backend::QrWork& work) {
    assemble();
    double log_det = 0.0;
    Matrix<double> rest = without_singletons(log_det);
    if (rest.rows() > 0) log_det += backend_.log_abs_det(rest.view(), work);
    return log_det;
}

template <class T>
Matrix<double> StepMap<T>::without_singletons(double& log_det) {
    const int64_t n = dimension_;
    const auto size = static_cast<std::size_t>(n);
    // Lines 0 to n-1 are the rows, the others the columns.
    std::vector<int64_t> count(2 * size, 0), todo;
    std::vector<uint8_t> gone(2 * size, 0);
    const auto entry = [&](int64_t line, int64_t k) { return line < n ? map_(line, k) : map_(k, line - n); };
    for (int64_t j = 0; j < n; ++j) {
        for (int64_t i = 0; i < n; ++i) {
            const bool present = map_(i, j) != T(0);
            count[i] += present;
            count[n + j] += present;
        }
    }
    for (int64_t line = 0; line < 2 * n; ++line)
        if (count[line] <= 1) todo.push_back(line);
    while (!todo.empty()) {
        const int64_t line = todo.back();
        todo.pop_back();
        if (gone[line]) continue;
        const int64_t across = line < n ? n : 0;  // where the lines that cross it begin
        int64_t other = 0;
        while (other < n && (gone[across + other] || entry(line, other) == T(0))) ++other;
        if (other == n) {
            log_det = -std::numeric_limits<double>::infinity();
            return {};
        }
        log_det += std::log(std::fabs(static_cast<double>(entry(line, other))));
        gone[line] = gone[across + other] = 1;
        for (int64_t k = 0; k < n; ++k) {
            const int64_t crossed = (n - across) + k;  // lines parallel to `line`
            if (!gone[crossed] && entry(across + other, k) != T(0) && --count[crossed] <= 1) todo.push_back(crossed);
        }
    }
    std::vector<int64_t> rows, columns;
    for (int64_t i = 0; i < n; ++i) {
        if (!gone[i]) rows.push_back(i);
        if (!gone[n + i]) columns.push_back(i);
    }
    Matrix<double> rest(static_cast<int64_t>(rows.size()), static_cast<int64_t>(columns.size()));
    for (int64_t j = 0; j < rest.cols(); ++j)
        for (int64_t i = 0; i < rest.rows(); ++i) rest(i, j) = static_cast<double>(map_(rows[i], columns[j]));
    return rest;
}

template <class T>
bool StepMap<T>::split() {
    assemble();
    const auto exponent_of = [](T x) {
        int exponent = 0;
        std::frexp(x, &exponent);
        return exponent;
    };
    constexpr int nothing = std::numeric_limits<int>::min();
    std::vector<int> row(static_cast<std::size_t>(dimension_), nothing);
    for (int64_t j = 0; j < dimension_; ++j)
        for (int64_t i = 0; i < dimension_; ++i)
            if (map_(i, j) != T(0)) row[i] = std::max(row[i], exponent_of(map_(i, j)));
    exponent_.assign(static_cast<std::size_t>(dimension_), 0);
    bool useful = false;
    if (rest_.rows() == 0) rest_ = Matrix<T>(dimension_, dimension_);
    for (int64_t j = 0; j < dimension_; ++j) {
        int largest = nothing;
        for (int64_t i = 0; i < dimension_; ++i)
            if (map_(i, j) != T(0)) largest = std::max(largest, exponent_of(map_(i, j)) - row[i]);
        if (largest != nothing) exponent_[j] = largest;
        useful = useful || exponent_[j] != 0;
        for (int64_t i = 0; i < dimension_; ++i) rest_(i, j) = std::ldexp(map_(i, j), -exponent_[j]);
    }
    return useful;
}

template <class T>
void StepMap<T>::multiply_scale(MatrixView<const T> v, MatrixView<T> w) const {
    for (int64_t j = 0; j < v.cols; ++j)
        for (int64_t i = 0; i < v.rows; ++i) w(i, j) = std::ldexp(v(i, j), exponent_[i]);
}

template <class T>
void StepMap<T>::multiply_rest(MatrixView<const T> v, MatrixView<T> w) const {
    backend_.multiply(false, false, rest_.view(), v, T(0), w);
}

template class StepMap<float>;
template class StepMap<double>;

}  // namespace aelle::lyapunov
