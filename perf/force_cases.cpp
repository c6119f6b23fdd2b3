// FORCE: recursive least squares, the closed loop, a whole network as in the signal study, and its spectra.
// Opponent of an update: BLAS dspmv + dspr on the packed triangle. Limit: reading and writing that triangle once.
// Error: of updates, the largest difference from BLAS of P after 20 samples; of steps, the largest |z' - z'_reference| over the first 200, where chaos
// has not yet spread rounding; of spectra, against LAPACK's QR at every step.

#include <algorithm>
#include <cmath>

#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "aelle/learn/force.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "aelle/tasks/signal.hpp"
#include "cases.hpp"
#include "kernels/cpu/rls.hpp"

extern "C" {
void dspmv_(const char*, const int*, const double*, const double*, const double*, const int*, const double*, double*, const int*);
void dspr_(const char*, const int*, const double*, const double*, const int*, double*);
}

namespace aelle::perf {
namespace {

constexpr int64_t period = 1200;

std::string text(int64_t value) { return std::to_string(value); }

AlignedVector<double> sample(int64_t n, uint64_t number) {
    RandomStream numbers(1, number, Purpose::noise);
    AlignedVector<double> r(static_cast<std::size_t>(cpu::padded<double>(n)));
    for (int64_t i = 0; i < n; ++i) r[static_cast<std::size_t>(i)] = std::tanh(numbers.normal());
    return r;
}

void blas_update(int n, AlignedVector<double>& p, const AlignedVector<double>& r, AlignedVector<double>& v) {
    const double one = 1.0, zero = 0.0;
    const int step = 1;
    dspmv_("L", &n, &one, p.data(), r.data(), &step, &zero, v.data(), &step);
    double rv = 0.0;
    for (int i = 0; i < n; ++i) rv += r[static_cast<std::size_t>(i)] * v[static_cast<std::size_t>(i)];
    const double factor = -1.0 / (1.0 + rv);
    dspr_("L", &n, &factor, v.data(), &step, p.data());
}

double update_error(int64_t n, cpu::InstructionSet set) {
    cpu::InverseCorrelation p(n, 1.0, set);
    AlignedVector<double> gain = sample(n, 0), expected = p.packed(), v = gain;
    for (uint64_t number = 0; number < 20; ++number) {
        p.update(sample(n, number).data(), gain.data());
        blas_update(static_cast<int>(n), expected, sample(n, number), v);
    }
    const AlignedVector<double> found = p.packed();
    double error = 0.0;
    for (std::size_t i = 0; i < found.size(); ++i) error = nan_max(error, std::fabs(found[i] - expected[i]));
    return error;
}

Case update_case(int64_t n, cpu::InstructionSet set) {
    Case made;
    made.name = "force/update/" + text(n) + "/" + std::string(cpu::name(set));
    made.unit = "one update of P and the gain";
    made.amount = 4.0 * static_cast<double>(n * n);
    made.check = [=] { return Check{.error = update_error(n, set)}; };
    made.side = crew_of([=] {
        return [p = cpu::InverseCorrelation(n, 1.0, set), r = sample(n, 0), gain = sample(n, 0)]() mutable {
            p.update(r.data(), gain.data());
        };
    });
    made.rival = Rival{"BLAS dspmv + dspr", crew_of([n] {
                           return [n, p = cpu::InverseCorrelation(n, 1.0, cpu::best_instruction_set()).packed(), r = sample(n, 0),
                                   v = sample(n, 0)]() mutable { blas_update(static_cast<int>(n), p, r, v); };
                       })};
    made.limit = [n] {
        return [p = AlignedVector<double>(static_cast<std::size_t>(n * (n + 1) / 2), 1.0)]() mutable {
            for (double& value : p) value += 1.0;
            asm volatile("" : : "r"(p.data()) : "memory");  // the sums are wanted
        };
    };
    return made;
}

std::unique_ptr<backend::ForceLoop> seeded(const backend::Backend& engine, int64_t hidden) {
    const learn::ForceOptions options{.hidden = hidden};
    auto loop = engine.force_loop({hidden, 0}, learn::initial_rank1(options, 1, 0), options.alpha);
    auto state = loop->get();
    RandomStream numbers(1, 0, Purpose::initial_state);
    for (double& x : state.x) x = 0.5 * numbers.normal();
    state.z = 0.5 * numbers.normal();
    loop->set(state);
    return loop;
}

double early_error(int64_t hidden) {
    const std::vector<double> target = tasks::one_period({}, period);
    std::vector<double> z(200), expected(200);
    seeded(cpu(), hidden)->run(0, 2, std::span(target).first(200), z);
    seeded(*backend::make_reference(), hidden)->run(0, 2, std::span(target).first(200), expected);
    double error = 0.0;
    for (std::size_t i = 0; i < z.size(); ++i) error = nan_max(error, std::fabs(z[i] - expected[i]));
    return error;
}

/// Products with the tenth of M that is not zero, and updates.
double loop_flop(int64_t n, int64_t steps, int64_t updates) {
    return static_cast<double>(n * n) * (2 * learn::ForceOptions{}.density * static_cast<double>(steps) + 4 * static_cast<double>(updates));
}

/// An update every `learn_every` steps; 0: none.
Case steps_case(int64_t n, int64_t learn_every) {
    Case made;
    made.name = "force/steps/" + text(n) + "/every:" + text(learn_every);
    made.unit = text(period) + " steps of the closed loop";
    made.amount = loop_flop(n, period, learn_every == 0 ? 0 : period / learn_every);
    made.check = [n] { return Check{.error = early_error(n)}; };
    made.side = crew_of([=] {
        return [=, loop = std::shared_ptr(seeded(cpu(), n)), target = tasks::one_period({}, period),
                z = std::vector<double>(period)]() mutable { loop->run(0, learn_every, target, z); };
    });
    return made;
}

struct Study {
    int64_t epochs, test_epochs;  ///< of training, and of the test after each of them
};

/// The only place that knows how a network is trained and tested.
void train_and_test(const Study& study, const learn::ForceOptions& options, const std::vector<double>& target) {
    learn::ForceTrainer trainer(cpu(), learn::initial_rank1(options, 1, 0), options, target, 1, 0);
    std::vector<learn::ForceTrainer::Snapshot> snapshots;
    std::vector<double> output(target.size());
    for (int64_t epoch = 0; epoch < study.epochs; ++epoch) {
        trainer.train(period, output);
        snapshots.push_back(trainer.snapshot());
    }
    auto tests = trainer.start_tests(snapshots);
    constexpr int64_t slice = 100;  // as the study runs them
    Matrix<double> outputs(tests.count(), slice);
    for (int64_t step = 0; step < study.test_epochs * period; step += slice) tests.run(outputs.view());
}

/// The peer's best form takes up our own ideas (deferred updates, tests side by side); "rank1+single" is what users write.
Case network_case(int64_t n, const Study& study, const std::string& form = "best") {
    Case made;
    made.name = "force/network/" + text(n) + (form == "best" ? "" : "/" + form);
    made.parameters = {{"epochs", text(study.epochs)}, {"tests", text(study.epochs)}, {"test_epochs", text(study.test_epochs)}};
    made.unit = "one network: training, and tests after every epoch";
    const int64_t training = study.epochs * period, testing = study.epochs * study.test_epochs * period;
    made.amount = loop_flop(n, training + testing, training / 2);
    made.check = [n] { return Check{.error = early_error(n)}; };
    made.side = crew_of([=] { return [=, target = tasks::one_period({}, period)] { train_and_test(study, {.hidden = n}, target); }; });
    made.peer = PeerWork{"force",
                         {{"units", text(n)},
                          {"epochs", text(study.epochs)},
                          {"tests", text(study.epochs)},
                          {"test_epochs", text(study.test_epochs)},
                          {"form", form}}};
    return made;
}

Case spectrum_case(int64_t n, int64_t k, int64_t interval) {
    constexpr int64_t steps = 200;
    const auto run = [=](int64_t how_often, backend::QrMethod qr = backend::QrMethod::accurate) {
        const learn::ForceOptions options{.hidden = n};
        auto parameters = learn::initial_rank1(options, 1, 0);
        RandomStream random(2, 0, Purpose::initial_state);
        std::vector<double> start(static_cast<std::size_t>(n));
        for (double& x : start) x = 0.5 * random.normal();
        cells::complete(cells::find_cell("rank1"), {.hidden = n}, parameters);
        const auto system = lyapunov::network_system<double>(
            cpu().network(cells::find_cell("rank1"), {.hidden = n}, parameters, backend::TangentSpace::full), {}, start);
        return lyapunov::compute_spectrum(cpu(), *system, {.exponents = k, .steps = steps, .interval = how_often, .qr = qr});
    };
    Case made;
    made.name = "force/spectrum/" + text(n) + "/" + text(k) + (interval == 1 ? "/every" : "/auto");
    made.unit = "one spectrum of " + text(k) + " exponents over " + text(steps) + " steps";
    made.roof = Roof::dgemm;
    made.check = [=] {
        const lyapunov::Spectrum found = run(interval), every = run(1, backend::QrMethod::library);
        const auto d = static_cast<double>(n), c = static_cast<double>(k);
        const double product = 2 * learn::ForceOptions{}.density * d * d * c, factorisation = 4 * c * c * (d - c / 3);
        return Check{.error = relative_difference(found.exponents, every.exponents),
                     .columns = {{"qr", static_cast<double>(found.factorisations) / steps}},
                     .amount = product * steps + factorisation * static_cast<double>(found.factorisations)};
    };
    made.side = crew_of([=] { return [=] { run(interval); }; });
    return made;
}

}  // namespace

void add_force_cases(const Plan& plan, std::vector<Case>& cases) {
    for (const auto set : {cpu::InstructionSet::baseline, cpu::InstructionSet::avx2, cpu::InstructionSet::avx512}) {
        if (set <= cpu::best_instruction_set() && (plan.full || set == cpu::best_instruction_set())) cases.push_back(update_case(512, set));
    }
    for (const int64_t n : {256, 1024})
        if (plan.full) cases.push_back(update_case(n, cpu::best_instruction_set()));
    for (const int64_t n : {128, 256, 512, 1024}) {
        if (!plan.full && n != 512) continue;
        for (const int64_t learn_every : {0, 2}) cases.push_back(steps_case(n, learn_every));
    }
    const Study study = plan.full ? Study{15, 15} : Study{15, 2};
    cases.push_back(network_case(512, study));
    cases.push_back(network_case(512, study, "rank1+single"));
    cases.push_back(spectrum_case(512, 48, 0));
    cases.push_back(spectrum_case(512, 48, 1));
}

}  // namespace aelle::perf
