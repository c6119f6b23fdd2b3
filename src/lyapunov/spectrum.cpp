#include "aelle/lyapunov/spectrum.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <optional>
#include <string>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"
#include "src/lyapunov/chain_parts.hpp"
#include "src/lyapunov/extended.hpp"
#include "src/lyapunov/interval.hpp"
#include "src/lyapunov/rounding.hpp"
#include "src/lyapunov/step_map.hpp"

namespace aelle::lyapunov {
namespace {

constexpr int64_t determinant_every = 64;  ///< blocks
/// Tried in this order.
constexpr std::array gram_paths{backend::GramArithmetic::single_precision, backend::GramArithmetic::double_precision};
/// Smallest r_jj over the largest column of a Q that is nearly orthonormal and factored by its Gram matrix without loss: to 1e4 u.
constexpr double least_of_closing = 1e-2;
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
        errors = ChainErrors<T>(exponents);
        // One column more than exponents: the probe of rounding.hpp.
        q = Matrix<T>(dimension, exponents + 1);
        z = Matrix<T>(dimension, exponents + 1);
        spare = Matrix<T>(dimension, exponents + 1);
        const auto count = static_cast<std::size_t>(exponents);
        for (Factorisation* f : {&first, &second, &last}) *f = Factorisation(exponents);
        log_sum.assign(count, 0.0);
        if (may_extend()) first_state.assign(system.state().begin(), system.state().end());
        start();
    }

    bool watches_determinant() const { return options.check_determinant && exponents == dimension; }
    /// Of a block that is averaged: a determinant costs as much as a factorisation, and one wrong block is like the next.
    bool checks_determinant() const { return watches_determinant() && averaged() && blocks % determinant_every == 0; }
    int64_t total() const { return options.warmup + options.steps; }
    bool averaged() const { return step >= options.warmup; }
    static MatrixView<T> columns(Matrix<T>& m, int64_t count) { return m.view().columns(0, count); }

    bool may_extend() const {
        return !gave_up && dimension <= options.extended_up_to && system.extended() && options.qr == backend::QrMethod::accurate &&
               !options.transposed;
    }

    void start() {
        if (!options.random_start) {
            for (int64_t j = 0; j < exponents; ++j) q(j, j) = T(1);
            return;
        }
        draw_tangents(backend, options.seed, columns(q, exponents), last.log_r, work);
    }

    void advance() {
        if (extended) return advance_extended();
        advance_block();
        if (!finite || step < total() || !may_extend()) return;
        const std::vector<uint8_t> reliable = result().reliable;
        if (std::find(reliable.begin(), reliable.end(), uint8_t{0}) != reliable.end()) begin_extended();
    }

    void begin_extended() {
        std::copy(first_state.begin(), first_state.end(), system.state().begin());
        std::fill_n(q.data(), q.size(), T(0));
        start();
        extended.emplace(MatrixView<const T>(columns(q, exponents)));
        step = 0;
    }

    void advance_extended() {
        system.advance(step);
        const bool closes = step + 1 == options.warmup || step + 1 == total();
        if (!extended->add(system, averaged(), closes)) {  // beyond the range of its numbers: what double gave stays, with its flags
            extended.reset();
            gave_up = true;
            step = total();
            return;
        }
        ++factorisations;
        ++step;
    }

    void advance_block() {
        const int64_t end = averaged() ? total() : options.warmup;
        int64_t length = std::min(interval.length(), end - step);
        if (interval.automatic()) saved_state.assign(system.state().begin(), system.state().end());
        const double volume = checks_determinant() ? log_volume(q) : 0.0;
        bool usable = run_block(length);
        while (interval.automatic() && length > 1 && !(usable && block_error <= Precision<T>::block_tolerance)) {
            std::copy(saved_state.begin(), saved_state.end(), system.state().begin());
            interval.refuse(length, usable ? block_error / rounding_floor() : HUGE_VAL, budget());
            length = std::min(interval.length(), length - 1);
            usable = run_block(length);
        }
        if (!usable) {
            finite = false;
            return;
        }
        if (interval.automatic()) interval.accept(length, spread(), block_error / rounding_floor(), budget(), exponents);
        add_to_sums(averaged());
        if (checks_determinant()) check_determinant(length, volume);
        blocks += averaged();
        std::swap(q, z);
        const bool was_averaged = averaged();
        step += length;
        const double change = map.shear(columns(q, exponents));
        if (change != 0.0) {
            skewed = true;
            errors.disturb(1 + change * change / static_cast<double>(dimension));  // |P - I| |P^-1|, since the inverse is 2 I - P
        }
        if (skewed && step == end) close(was_averaged);
    }

    /// The columns of q become orthonormal again; what that takes belongs to the steps before it.
    void close(bool counts) {
        if (options.qr != backend::QrMethod::accurate ||
            !factor_by_gram(backend::GramArithmetic::double_precision, least_of_closing, columns(q, exponents), last))
            factor_one(columns(q, exponents), last);
        --factorisations;  // of no block
        in_two = skewed = by_gram = last.exact_product = false;
        block_exponent = 0;
        add_to_sums(counts);
    }

    /// The results of the block's factorisation, or of its two, enter the exponents (`counts`) and their error bounds.
    void add_to_sums(bool counts) {
        if (in_two) errors.add(first, counts);
        errors.add(last, counts);
        if (!counts) return;
        for (int64_t j = 0; j < exponents; ++j) log_sum[j] += log_r(j);
    }

    /// log|det| of a square matrix that is orthogonal but for what Gram matrices left.
    double log_volume(Matrix<T>& m) {
        if (!by_gram) return 0.0;
        std::copy_n(m.data(), dimension * exponents, spare.data());
        volume_log_r.resize(static_cast<std::size_t>(exponents));
        const MatrixView<T> copy = columns(spare, exponents);
        if (backend.gram_qr(copy, backend::GramArithmetic::double_precision, least_of_closing, volume_log_r, work) == 0.0)
            backend.qr(backend::QrMethod::accurate, copy, volume_log_r, work);
        return std::accumulate(volume_log_r.begin(), volume_log_r.end(), 0.0);
    }

    /// How far the sum of the block's logs is from its log|det|; `volume`: log|det| of the tangents before it.
    void check_determinant(int64_t length, double volume) {
        double sum = log_volume(z) - volume - block_logdet;
        for (int64_t j = 0; j < exponents; ++j) sum += log_r(j);
        if (std::isinf(block_logdet) && block_logdet < 0 && std::isnan(sum)) sum = 0.0;  // both are -infinity
        defect_sum += std::isnan(sum) ? HUGE_VAL : sum;
        logdet_sum += block_logdet;
        checked_steps += length;
    }

    /// log|r_jj| of the block.
    double log_r(int64_t j) const {
        return last.log_r[j] + (in_two ? first.log_r[j] : 0.0) + static_cast<double>(block_exponent) * std::numbers::ln2;
    }

    void factor_one(MatrixView<T> product, Factorisation& f) {
        f.before<T>(options.qr, product);
        backend.qr(options.qr, product, f.log_r, work, f.unit_r());
        f.after<T>(options.qr, product);
        by_gram = false;
        ++factorisations;
    }

    /// The same by the Gram matrix at a fraction of the cost where all columns are of like size; false where they are not.
    bool factor_by_gram(MatrixView<T> product, Factorisation& f) {
        if (options.qr != backend::QrMethod::accurate) return false;
        for (std::size_t i = 0; i < gram_paths.size(); ++i) {
            if (!gram[i].tries()) continue;
            const bool found = factor_by_gram(gram_paths[i], 0.0, product, f);
            gram[i].report(found);
            if (found) return true;
        }
        return false;
    }
    bool factor_by_gram(backend::GramArithmetic arithmetic, double least, MatrixView<T> product, Factorisation& f) {
        const double largest = backend.gram_qr(product, arithmetic, least, f.log_r, work, f.unit_r());
        if (largest == 0.0) return false;
        f.of_columns(dimension, largest);
        by_gram = skewed = true;
        ++factorisations;
        return true;
    }

    /// Products and factorisation of `length` steps from q: leaves Q' in z, and what the block_ members hold. False when something is not
    /// finite. The system is left after the block.
    bool run_block(int64_t length) {
        const bool probed = length > 1;
        block_exponent = 0;
        block_logdet = 0.0;
        Matrix<T>* from = &q;
        Matrix<T>* to = &z;
        if (probed) std::fill_n(q.column(exponents), dimension, T(0));
        double norm = 1.0;
        for (int64_t m = 0; m < length; ++m) {
            map.advance(step + m);
            if (checks_determinant()) block_logdet += map.log_abs_det(work);
            if (probed) perturb(from->column(exponents), norm, step + m);
            map.multiply(columns(*from, exponents + probed), columns(*to, exponents + probed));
            if (m + 1 < length) map.shear(columns(*to, exponents + 1));
            if (probed) norm = rescale(columns(*to, exponents + 1));
            from = to;
            to = from == &z ? &spare : &z;
        }
        if (from != &z) std::swap(z, spare);
        const bool usable = probed ? factor_block() : factor_step();
        return usable && !std::isnan(block_logdet) && all_finite<T>(system.state());
    }

    static bool usable(const Factorisation& f) {
        return std::none_of(f.log_r.begin(), f.log_r.end(), [](double x) { return std::isnan(x) || x == HUGE_VAL; });
    }

    bool factor_block() {
        const MatrixView<T> block = columns(z, exponents);
        const double probe = std::sqrt(static_cast<double>(dimension)) * largest_column_norm<T>(z.view().columns(exponents, 1));
        if (!factor_by_gram(block, last)) factor_one(block, last);
        last.of_block(probe);
        last.exact_product = false;
        in_two = false;
        if (!usable(last)) return false;
        block_error = interval.automatic() ? Precision<T>::unit * probe * inverse_norm(last) : 0.0;
        return true;
    }

    bool factor_step() {
        in_two = false;
        block_error = 0.0;
        last.exact_product = step == 0 && !options.random_start;  // columns of M itself
        if (factor_by_gram(columns(z, exponents), last)) return true;
        factor_one(columns(z, exponents), last);
        if (!usable(last)) return false;
        if (options.qr == backend::QrMethod::accurate && local_error<T>(last) > Precision<T>::split_tolerance) factor_in_two();
        return true;
    }

    /// The last step once more from q, as two products with a factorisation after each (StepMap::split); kept where it is the better one.
    void factor_in_two() {
        if (!map.split()) return;
        if (other.rows() == 0) other = Matrix<T>(dimension, exponents);
        map.multiply_scale(columns(q, exponents), columns(spare, exponents));
        factor_one(columns(spare, exponents), first);
        map.multiply_rest(columns(spare, exponents), other.view());
        factor_one(other.view(), second);
        if (!(local_error<T>(first) + local_error<T>(second) < local_error<T>(last))) return;
        in_two = true;
        first.exact_product = last.exact_product;
        second.exact_product = false;
        std::swap(last, second);
        std::copy_n(other.data(), dimension * exponents, z.data());
    }

    /// Adds a random vector of norm about `norm`: the rounding of one step in units of u.
    void perturb(T* probe, double norm, int64_t at) {
        RandomStream random(options.seed, static_cast<uint64_t>(at), Purpose::tangent, 1);
        const double scale = norm * std::sqrt(3.0 / static_cast<double>(dimension)) * 0x1p-31;
        for (int64_t i = 0; i < dimension; ++i) probe[i] += static_cast<T>(scale * (static_cast<double>(random.bits()) - 0x1p31));
    }

    /// Keeps products of many steps in range by an exact power of two for all columns; the largest norm of a tangent afterwards.
    double rescale(MatrixView<T> block) {
        constexpr double range = sizeof(T) == 8 ? 0x1p200 : 0x1p30;
        const double norm = largest_column_norm<T>(block.columns(0, exponents));
        if (!std::isfinite(norm) || norm == 0.0 || (norm < range && norm > 1 / range)) return norm;
        int shift = 0;
        const double mantissa = std::frexp(norm, &shift);
        const T factor = std::ldexp(T(1), -shift);
        for (int64_t j = 0; j < block.cols; ++j)
            for (int64_t i = 0; i < block.rows; ++i) block(i, j) *= factor;
        block_exponent += shift;
        return mantissa;
    }

    double spread() const {
        const auto [low, high] = std::minmax_element(last.log_r.begin(), last.log_r.end());
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
        spectrum.extended = extended.has_value();
        const std::vector<double>& sums = extended ? extended->log_sum() : log_sum;
        const std::vector<double> error = extended ? extended->errors() : errors.sums();
        double limit = Precision<T>::exponent_tolerance * steps;
        if (watches_determinant()) {
            const double determinant = logdet_sum / static_cast<double>(checked_steps);
            spectrum.logdet_defect = std::fabs(defect_sum) / static_cast<double>(checked_steps);
            // Rounding has been larger than the bounds say: give up those that they call worst.
            if (!(spectrum.logdet_defect <= Precision<T>::determinant_tolerance * std::max(1.0, std::fabs(determinant) * 1e-3)))
                limit = std::min(limit, 1e-3 * *std::max_element(error.begin(), error.end()));
        }
        tell(sums, error, steps, limit, options.sorted, spectrum);
        return spectrum;
    }

    const backend::Backend& backend;
    TangentSystem<T>& system;
    SpectrumOptions options;
    StepMap<T> map;
    int64_t dimension, exponents = 0;
    Interval interval;
    Matrix<T> q, z, spare, other;
    InverseNorm inverse_norm;
    backend::Backend::QrWork work;
    std::vector<T> saved_state, first_state;
    Factorisation first, second, last;  ///< last: the block's, or the second of its two
    bool in_two = false;
    int64_t block_exponent = 0;  ///< the product that was factored is the block's times 2^-block_exponent
    double block_error = 0.0, block_logdet = 0.0;

    std::vector<double> log_sum;  ///< over averaged steps
    ChainErrors<T> errors{0};
    std::optional<ExtendedChain> extended;  ///< once all steps have been taken and rounding spoiled some; `step` counts its own then
    bool gave_up = false;
    double logdet_sum = 0.0, defect_sum = 0.0;  ///< over checked blocks
    int64_t step = 0, factorisations = 0, blocks = 0, checked_steps = 0;
    std::array<Patience, gram_paths.size()> gram;
    std::vector<double> volume_log_r;
    bool finite = true;
    bool by_gram = false;  ///< the columns of Q are orthogonal only as far as a Gram matrix tells
    bool skewed = false;   ///< the same, or they are those of P Q
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
    return impl_->extended ? impl_->total() : impl_->step;
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
    archive.value(impl_->skewed);
    archive.value(impl_->by_gram);
    archive.value(impl_->interval);
    archive.value(impl_->gram);
    archive.value(impl_->blocks);
    archive.value(impl_->checked_steps);
    archive.value(impl_->logdet_sum);
    archive.value(impl_->defect_sum);
    archive.array(impl_->log_sum);
    impl_->errors.save(archive);
    archive.array(std::span<const T>(impl_->q.data(), static_cast<std::size_t>(impl_->dimension * impl_->exponents)));
    archive.array(impl_->system.state());
    archive.value(impl_->gave_up);
    archive.value(impl_->extended.has_value());
    if (impl_->extended) impl_->extended->save(archive);
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
    archive.value(impl_->skewed);
    archive.value(impl_->by_gram);
    archive.value(impl_->interval);
    archive.value(impl_->gram);
    archive.value(impl_->blocks);
    archive.value(impl_->checked_steps);
    archive.value(impl_->logdet_sum);
    archive.value(impl_->defect_sum);
    std::vector<T> q, state;
    archive.array(impl_->log_sum);
    impl_->errors.load(archive);
    archive.array(q);
    archive.array(state);
    if (static_cast<int64_t>(q.size()) != dimension * exponents || state.size() != impl_->system.state().size())
        throw DataError("checkpoint: tangents or state have the wrong size");
    std::copy(q.begin(), q.end(), impl_->q.data());
    std::copy(state.begin(), state.end(), impl_->system.state().begin());
    archive.value(impl_->gave_up);
    if (!archive.value<bool>()) return;
    impl_->extended.emplace(MatrixView<const T>(impl_->columns(impl_->q, exponents)));
    impl_->extended->load(archive);
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
