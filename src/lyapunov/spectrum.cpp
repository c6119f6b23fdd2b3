#include "aelle/lyapunov/spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <string>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"
#include "src/lyapunov/interval.hpp"
#include "src/lyapunov/rounding.hpp"
#include "src/lyapunov/step_map.hpp"

namespace aelle::lyapunov {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

void check(const char* name, int64_t found, int64_t low, int64_t high, const char* expected) {
    if (found >= low && found <= high) return;
    throw UsageError(std::string(name) + ": found " + std::to_string(found) + ", expected " + expected);
}

template <class T>
bool all_finite(std::span<const T> values) {
    return std::all_of(values.begin(), values.end(), [](T x) { return std::isfinite(x); });
}

}  // namespace

template <class T>
struct SpectrumRun<T>::Impl {
    using Form = typename StepMap<T>::Form;

    Impl(const backend::Backend& b, TangentSystem<T>& s, const SpectrumOptions& o)
        : backend(b),
          system(s),
          options(o),
          map(b, s,
              o.transposed                          ? Form::transposed
              : o.qr == backend::QrMethod::accurate ? Form::regrouped
                                                    : Form::whole),
          dimension(s.dimension()),
          interval(o.interval) {
        constexpr int64_t most = int64_t{1} << 40;
        check("exponents", options.exponents, 0, dimension, ("0 (all) to " + std::to_string(dimension)).c_str());
        check("steps", options.steps, 1, most, "at least 1");
        check("warmup", options.warmup, 0, most, "at least 0");
        check("interval", options.interval, 0, most, "at least 1, or 0 for automatic");
        exponents = options.exponents == 0 ? dimension : options.exponents;
        // One column more than exponents: the probe of rounding.hpp.
        q = Matrix<T>(dimension, exponents + 1);
        z = Matrix<T>(dimension, exponents + 1);
        spare = Matrix<T>(dimension, exponents + 1);
        const auto count = static_cast<std::size_t>(exponents);
        log_r.resize(count);
        error.resize(count);
        log_first.resize(count);
        error_first.resize(count);
        log_sum.assign(count, 0.0);
        error_sum.assign(count, 0.0);
        start();
    }

    bool watches_determinant() const { return options.check_determinant && exponents == dimension; }
    int64_t total() const { return options.warmup + options.steps; }
    bool averaged() const { return step >= options.warmup; }
    static MatrixView<T> columns(Matrix<T>& m, int64_t count) { return m.view().columns(0, count); }

    void start() {
        if (!options.random_start) {
            for (int64_t j = 0; j < exponents; ++j) q(j, j) = T(1);
            return;
        }
        RandomStream random(options.seed, 0, Purpose::tangent);
        for (int64_t i = 0; i < dimension * exponents; ++i) q.data()[i] = static_cast<T>(random.normal());
        backend.qr(backend::QrMethod::accurate, columns(q, exponents), log_r, work);
    }

    void advance() {
        const int64_t end = averaged() ? total() : options.warmup;
        int64_t length = std::min(interval.length(), end - step);
        if (interval.automatic()) saved_state.assign(system.state().begin(), system.state().end());
        bool usable = run_block(length);
        while (interval.automatic() && length > 1 && !(usable && block_error <= Precision<T>::block_tolerance)) {
            std::copy(saved_state.begin(), saved_state.end(), system.state().begin());
            length /= 2;
            interval.refuse(length);
            usable = run_block(length);
        }
        if (!usable) {
            finite = false;
            return;
        }
        if (interval.automatic()) interval.accept(length, spread(), block_error / rounding_floor(), budget());
        if (averaged()) add_to_sums();
        std::swap(q, z);
        const bool was_averaged = averaged();
        step += length;
        if (map.shear(columns(q, exponents))) sheared = true;
        if (sheared && step == end) close(was_averaged);
    }

    /// The columns of q, which are P Q, become orthonormal again; what that takes belongs to the steps before it.
    void close(bool counts) {
        std::copy_n(q.data(), dimension * exponents, z.data());
        error_scales<T>(options.qr, columns(z, exponents), scales);
        backend.qr(options.qr, columns(z, exponents), log_r, work);
        relative_errors<T>(log_r, scales, error);
        std::swap(q, z);
        sheared = false;
        ++factorisations;
        block_logdet = 0.0;
        if (counts) add_to_sums();
    }

    void add_to_sums() {
        for (int64_t j = 0; j < exponents; ++j) {
            log_sum[j] += log_r[j];
            error_sum[j] += error[j];
        }
        logdet_sum += block_logdet;
    }

    /// Products and factorisation of `length` steps from q: leaves Q' in z, and log_r, error, block_error and block_logdet. False when
    /// something is not finite. The system is left after the block.
    bool run_block(int64_t length) {
        const bool probed = length > 1;
        int64_t exponent = 0;  // z holds the product times 2^-exponent
        block_logdet = 0.0;
        Matrix<T>* from = &q;
        Matrix<T>* to = &z;
        if (probed) std::fill_n(q.column(exponents), dimension, T(0));
        double norm = 1.0;
        for (int64_t m = 0; m < length; ++m) {
            map.advance(step + m);
            if (watches_determinant() && averaged()) block_logdet += map.log_abs_det(work);
            if (probed) perturb(from->column(exponents), norm, step + m);
            map.multiply(columns(*from, exponents + probed), columns(*to, exponents + probed));
            if (m + 1 < length) map.shear(columns(*to, exponents + 1));
            if (probed) norm = rescale(columns(*to, exponents + 1), exponent);
            from = to;
            to = from == &z ? &spare : &z;
        }
        if (from != &z) std::swap(z, spare);
        return factor(probed, exponent) && all_finite<T>(system.state());
    }

    bool factor(bool probed, int64_t exponent) {
        const MatrixView<T> block = columns(z, exponents);
        double probe = 0.0;
        if (probed) {
            std::copy_n(z.data(), dimension * exponents, spare.data());
            probe = std::sqrt(static_cast<double>(dimension)) * largest_column_norm<T>(z.view().columns(exponents, 1));
            scales.assign(static_cast<std::size_t>(dimension), probe);
        } else {
            error_scales<T>(options.qr, block, scales);
        }
        backend.qr(options.qr, block, log_r, work);
        ++factorisations;
        if (std::any_of(log_r.begin(), log_r.end(), [](double x) { return std::isnan(x) || x == HUGE_VAL; })) return false;
        relative_errors<T>(log_r, scales, error);
        block_error = 0.0;
        if (probed && interval.automatic()) block_error = Precision<T>::unit * probe * inverse_norm(block, columns(spare, exponents));
        for (double& x : log_r) x += static_cast<double>(exponent) * std::numbers::ln2;
        if (!probed && options.qr == backend::QrMethod::accurate && largest_error() > Precision<T>::split_tolerance) factor_in_two();
        return !std::isnan(block_logdet);
    }

    /// The last step once more from q, as two products with a factorisation after each (StepMap::split); kept where it is the better one.
    void factor_in_two() {
        if (!map.split()) return;
        if (second.rows() == 0) second = Matrix<T>(dimension, exponents);
        const double before = largest_error();
        const auto half = [&](MatrixView<T> product, std::vector<double>& logs, std::vector<double>& errors) {
            error_scales<T>(options.qr, product, scales);
            backend.qr(options.qr, product, logs, work);
            ++factorisations;
            relative_errors<T>(logs, scales, errors);
        };
        const std::vector<double> kept_logs = log_r, kept_errors = error;
        map.multiply_scale(columns(q, exponents), columns(spare, exponents));
        half(columns(spare, exponents), log_first, error_first);
        map.multiply_rest(columns(spare, exponents), second.view());
        half(second.view(), log_r, error);
        for (int64_t j = 0; j < exponents; ++j) {
            log_r[j] += log_first[j];
            error[j] += error_first[j];
        }
        if (largest_error() < before) {
            std::copy_n(second.data(), dimension * exponents, z.data());
            return;
        }
        log_r = kept_logs;
        error = kept_errors;
    }

    double largest_error() const { return *std::max_element(error.begin(), error.end()); }

    /// Adds a random vector of norm about `norm`: the rounding of one step in units of u.
    void perturb(T* probe, double norm, int64_t at) {
        RandomStream random(options.seed, static_cast<uint64_t>(at), Purpose::tangent, 1);
        const double scale = norm * std::sqrt(3.0 / static_cast<double>(dimension)) * 0x1p-31;
        for (int64_t i = 0; i < dimension; ++i) probe[i] += static_cast<T>(scale * (static_cast<double>(random.bits()) - 0x1p31));
    }

    /// Keeps products of many steps in range by an exact power of two for all columns; the largest norm of a tangent afterwards.
    double rescale(MatrixView<T> block, int64_t& exponent) {
        constexpr double range = sizeof(T) == 8 ? 0x1p200 : 0x1p30;
        const double norm = largest_column_norm<T>(block.columns(0, exponents));
        if (!std::isfinite(norm) || norm == 0.0 || (norm < range && norm > 1 / range)) return norm;
        int shift = 0;
        const double mantissa = std::frexp(norm, &shift);
        const T factor = std::ldexp(T(1), -shift);
        for (int64_t j = 0; j < block.cols; ++j)
            for (int64_t i = 0; i < block.rows; ++i) block(i, j) *= factor;
        exponent += shift;
        return mantissa;
    }

    double spread() const {
        const auto [low, high] = std::minmax_element(log_r.begin(), log_r.end());
        return *high - *low;
    }
    /// The error that a block of orthogonal J would be credited with.
    double rounding_floor() const { return Precision<T>::unit * std::sqrt(static_cast<double>(dimension)); }
    double budget() const { return std::log(Precision<T>::block_tolerance / rounding_floor()); }

    Spectrum result() const {
        Spectrum spectrum;
        const auto count = static_cast<std::size_t>(exponents);
        spectrum.factorisations = factorisations;
        spectrum.finite = finite;
        spectrum.logdet_defect = not_a_number;
        spectrum.exponents.assign(count, not_a_number);
        spectrum.reliable.assign(count, 0);
        if (!finite) return spectrum;
        const auto steps = static_cast<double>(options.steps);
        std::vector<double> mean(count);
        for (std::size_t j = 0; j < count; ++j) mean[j] = log_sum[j] / steps;
        double limit = Precision<T>::exponent_tolerance * steps;
        if (watches_determinant()) {
            const double sum = std::accumulate(mean.begin(), mean.end(), 0.0), determinant = logdet_sum / steps;
            spectrum.logdet_defect = sum == determinant ? 0.0 : std::fabs(sum - determinant);
            // Rounding has been larger than the bounds say: give up those that they call worst.
            if (!(spectrum.logdet_defect <= Precision<T>::determinant_tolerance * std::max(1.0, std::fabs(determinant) * 1e-3)))
                limit = std::min(limit, 1e-3 * *std::max_element(error_sum.begin(), error_sum.end()));
        }
        std::vector<std::size_t> order(count);
        std::iota(order.begin(), order.end(), std::size_t{0});
        if (options.sorted) std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return mean[a] > mean[b]; });
        for (std::size_t j = 0; j < count; ++j) {
            spectrum.exponents[j] = mean[order[j]];
            spectrum.reliable[j] = error_sum[order[j]] <= limit;
        }
        return spectrum;
    }

    const backend::Backend& backend;
    TangentSystem<T>& system;
    SpectrumOptions options;
    StepMap<T> map;
    int64_t dimension, exponents = 0;
    Interval interval;
    Matrix<T> q, z, spare, second;
    InverseNorm<T> inverse_norm;
    backend::Backend::QrWork work;
    std::vector<T> saved_state;
    std::vector<double> log_r, error, log_first, error_first, scales;
    double block_error = 0.0, block_logdet = 0.0;

    std::vector<double> log_sum, error_sum;  ///< over averaged steps
    double logdet_sum = 0.0;
    int64_t step = 0, factorisations = 0;
    bool finite = true, sheared = false;  ///< sheared: the columns of q are P Q, not orthonormal
};

template <class T>
SpectrumRun<T>::SpectrumRun(const backend::Backend& backend, TangentSystem<T>& system, const SpectrumOptions& options)
    : impl_(std::make_unique<Impl>(backend, system, options)) {}
template <class T>
SpectrumRun<T>::~SpectrumRun() = default;
template <class T>
SpectrumRun<T>::SpectrumRun(SpectrumRun&&) noexcept = default;

template <class T>
bool SpectrumRun<T>::done() const {
    return !impl_->finite || impl_->step == impl_->total();
}

template <class T>
int64_t SpectrumRun<T>::steps_done() const {
    return impl_->step;
}

template <class T>
void SpectrumRun<T>::advance() {
    if (!done()) impl_->advance();
}

template <class T>
Spectrum SpectrumRun<T>::result() const {
    require(done(), "a spectrum was asked for before its last step");
    return impl_->result();
}

template <class T>
void SpectrumRun<T>::save(ArchiveWriter& archive) const {
    archive.value(impl_->dimension);
    archive.value(impl_->exponents);
    archive.value(impl_->step);
    archive.value(impl_->factorisations);
    archive.value(impl_->finite);
    archive.value(impl_->sheared);
    archive.value(impl_->interval);
    archive.value(impl_->logdet_sum);
    archive.array(impl_->log_sum);
    archive.array(impl_->error_sum);
    archive.array(std::span<const T>(impl_->q.data(), static_cast<std::size_t>(impl_->dimension * impl_->exponents)));
    archive.array(impl_->system.state());
}

template <class T>
void SpectrumRun<T>::load(ArchiveReader& archive) {
    const auto dimension = archive.value<int64_t>(), exponents = archive.value<int64_t>();
    if (dimension != impl_->dimension || exponents != impl_->exponents)
        throw DataError("checkpoint: found " + std::to_string(exponents) + " exponents of dimension " + std::to_string(dimension) +
                        ", expected " + std::to_string(impl_->exponents) + " of " + std::to_string(impl_->dimension));
    archive.value(impl_->step);
    archive.value(impl_->factorisations);
    archive.value(impl_->finite);
    archive.value(impl_->sheared);
    archive.value(impl_->interval);
    archive.value(impl_->logdet_sum);
    std::vector<T> q, state;
    archive.array(impl_->log_sum);
    archive.array(impl_->error_sum);
    archive.array(q);
    archive.array(state);
    if (static_cast<int64_t>(q.size()) != dimension * exponents || state.size() != impl_->system.state().size())
        throw DataError("checkpoint: tangents or state have the wrong size");
    std::copy(q.begin(), q.end(), impl_->q.data());
    std::copy(state.begin(), state.end(), impl_->system.state().begin());
}

template <class T>
Spectrum compute_spectrum(const backend::Backend& backend, TangentSystem<T>& system, const SpectrumOptions& options) {
    SpectrumRun<T> run(backend, system, options);
    while (!run.done()) run.advance();
    return run.result();
}

template class SpectrumRun<float>;
template class SpectrumRun<double>;
template Spectrum compute_spectrum(const backend::Backend&, TangentSystem<float>&, const SpectrumOptions&);
template Spectrum compute_spectrum(const backend::Backend&, TangentSystem<double>&, const SpectrumOptions&);

}  // namespace aelle::lyapunov
