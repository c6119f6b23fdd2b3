// QR factorisations of many N x N matrices in double precision (performance.md 3.2): our kernels and NVIDIA's libraries. Unit: R and explicit Q of one matrix;
// FLOP: 8/3 N^3, those of Householder's way whatever the form does. Error: log|r_jj| of three matrices against the host, over the largest value;
// column `orthogonality`: the largest entry of Q'Q - 1. What is timed factors the Q of the run before, in place.
//
// Tangents (performance.md 3, rule 2): a product by a Jacobian and a factorisation a step, with Q formed (q3) and without (q4). Unit: one step of one
// chain; FLOP: 10/3 N^3, those without Q, whatever the form does. Error: sums of logarithms of a chain against the host, over the largest.

#include <algorithm>
#include <cmath>

#include "aelle/backend/choose.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "aelle/base/text.hpp"
#include "cases.hpp"
#include "gpu.hpp"

namespace aelle::perf {
namespace {

constexpr int64_t distinct = 16;

struct Problem {
    int64_t n, count;       ///< count: of matrices side by side
    std::vector<double> z;  ///< the distinct ones

    Problem(int64_t size, int64_t side_by_side) : n(size), count(side_by_side) {
        RandomStream random(3, 0, Purpose::tangent);
        z.resize(static_cast<std::size_t>(distinct * n * n));
        for (double& x : z) x = random.normal();
    }
    std::size_t bytes() const { return sizeof(double) * static_cast<std::size_t>(n * n); }
    const double* matrix(int64_t i) const { return z.data() + i % distinct * n * n; }
    double flop() const { return 8.0 / 3.0 * std::pow(static_cast<double>(n), 3); }
};

/// `count` of the matrices become their Q; waits.
using Factor = std::function<void(int64_t count, double* z, double* log_r)>;

struct Form {
    std::string name;
    int64_t most;  ///< matrices at once
    Factor factor;
};

std::vector<double> expected_logs(const Problem& p, int64_t i) {
    Matrix<double> z(p.n, p.n);
    std::copy_n(p.matrix(i), z.size(), z.data());
    std::vector<double> log_r(static_cast<std::size_t>(p.n));
    backend::Backend::QrWork work;
    // The reference's plain loops take seconds for larger ones.
    if (p.n > 128) cpu().qr(backend::QrMethod::library, z.view(), log_r, work);
    else backend::make_reference()->qr(backend::QrMethod::accurate, z.view(), log_r, work);
    return log_r;
}

double defect(const std::vector<double>& q, int64_t n) {
    double worst = 0;
    for (int64_t a = 0; a < n; a += std::max<int64_t>(1, n / 16)) {
        for (int64_t b = 0; b < n; ++b) {
            double sum = a == b ? -1 : 0;
            for (int64_t i = 0; i < n; ++i) sum += q[static_cast<std::size_t>(i + a * n)] * q[static_cast<std::size_t>(i + b * n)];
            worst = nan_max(worst, std::fabs(sum));
        }
    }
    return worst;
}

Check check(const Problem& p, int64_t count, const cuda::DeviceMemory& z, const cuda::DeviceMemory& log_r) {
    Check found{.error = 0.0};
    double orthogonality = 0;
    for (const int64_t i : {int64_t{0}, count / 2, count - 1}) {
        std::vector<double> logs(static_cast<std::size_t>(p.n)), q(static_cast<std::size_t>(p.n * p.n));
        log_r.download(logs.data(), logs.size() * sizeof(double), static_cast<std::size_t>(i) * logs.size() * sizeof(double));
        z.download(q.data(), p.bytes(), static_cast<std::size_t>(i) * p.bytes());
        found.error = nan_max(found.error, relative_difference(logs, expected_logs(p, i)));
        orthogonality = nan_max(orthogonality, defect(q, p.n));
    }
    found.columns["orthogonality"] = orthogonality;
    return found;
}

std::vector<Form> forms_of(GpuBench& bench, const Problem& p) {
    std::vector<Form> forms;
    const auto n = static_cast<int32_t>(p.n);
    const auto ours = [&](const std::string& name, cuda::BenchQrForm form) {
        forms.push_back({name, p.count, [&bench, n, form](int64_t count, double* z, double* log_r) {
                             bench.check_bench(bench.bench()->qr(bench.device(), form, n, count, z, log_r), "QR");
                             bench.wait();
                         }});
    };
    if (bench.bench() != nullptr) {
        using enum cuda::BenchQrForm;
        if (n <= 128) ours("q1-shared", shared_memory);
        ours("q1-global", device_memory);
        if (n == 64) ours("q2-registers-128", registers_128);
        if (n == 64) ours("q2-registers-256", registers_256);
        if (n == 128) ours("q2-registers-512", registers_512);
        for (const auto& [size, form] : {std::pair{1, team_1}, {2, team_2}, {4, team_4}, {8, team_8}, {16, team_16}})
            if (size * 128 >= n && size * 32 <= n && size <= bench.bench()->largest_team(bench.device(), n))
                ours("q5-team-" + std::to_string(size), form);
    }
    const auto theirs = [&](const std::string& name, cuda::LibraryQrForm form, int64_t most) {
        forms.push_back({name, std::min(most, p.count), [&bench, n, form](int64_t count, double* z, double* log_r) {
                             const cuda::LibraryQr problem{form, false, n, n, count, z, log_r};
                             bench.check_nvidia(bench.nvidia()->qr(bench.device(), &problem), "QR by NVIDIA's libraries");
                         }});
    };
    if (bench.nvidia() != nullptr) {
        theirs("q0-geqrf-batched", cuda::LibraryQrForm::geqrf_batched, p.count);
        theirs("q0-cusolver", cuda::LibraryQrForm::one_by_one, 128);
        theirs("q0-cholesky-twice", cuda::LibraryQrForm::cholesky_twice, p.count);
    }
    return forms;
}

/// Seconds per matrix.
double measure_form(GpuBench& bench, const Problem& p, const Form& form, const std::string& name, double budget) {
    const cuda::DeviceMemory z(bench.library(), static_cast<std::size_t>(form.most) * p.bytes(), "matrices");
    const cuda::DeviceMemory log_r(bench.library(), static_cast<std::size_t>(form.most * p.n) * sizeof(double), "logarithms");
    for (int64_t i = 0; i < form.most; ++i) z.upload(p.matrix(i), p.bytes(), static_cast<std::size_t>(i) * p.bytes());
    form.factor(form.most, z.as<double>(), log_r.as<double>());
    GpuCase made;
    made.what.name = name;
    made.what.parameters = {{"n", std::to_string(p.n)}, {"matrices", std::to_string(form.most)}};
    made.what.unit = "R and explicit Q of one matrix";
    made.what.amount = p.flop();
    made.peak = bench.peaks().twofold;
    if (form.name.starts_with("q5")) made.notes.push_back("the peak is that without units for matrices, which this form uses");
    made.check = check(p, form.most, z, log_r);
    if (form.name.starts_with("q0")) made.most = {{"error", 1e-6}, {"orthogonality", 1e-6}};  // as exact as their methods are
    else made.most = {{"error", 1e-9}, {"orthogonality", 1e-12}};
    made.seconds = bench.time(
        [&](int64_t units) {
            for (int64_t i = 0; i < units; ++i) form.factor(form.most, z.as<double>(), log_r.as<double>());
        },
        budget);
    for (double& seconds : made.seconds) seconds /= static_cast<double>(form.most);
    const double median = spread(made.seconds).median;
    bench.row(std::move(made));
    return median;
}

/// Of chain c.
std::vector<double> expected_sums(const Problem& p, int64_t c, int32_t steps) {
    const auto n = static_cast<std::size_t>(p.n);
    std::vector<double> sum(n, 0.0), log_r(n);
    backend::Backend::QrWork work;
    Matrix<double> z(p.n, p.n), q(p.n, p.n), jacobian(p.n, p.n);
    std::copy_n(p.matrix(c), z.size(), z.data());
    for (int64_t t = 0; t < steps; ++t) {
        if (t > 0) {
            std::copy_n(z.data(), z.size(), q.data());
            std::copy_n(p.matrix(c + t), z.size(), jacobian.data());
            cpu().multiply(false, false, jacobian.view(), q.view(), 0.0, z.view());
        }
        cpu().qr(backend::QrMethod::accurate, z.view(), log_r, work);
        for (std::size_t j = 0; j < n; ++j) sum[j] += log_r[j];
    }
    return sum;
}

void measure_tangents(GpuBench& bench, const Problem& p, bool implicit, int32_t threads, const std::string& name) {
    const int32_t steps = bench.tiny() ? 3 : 28;
    const cuda::DeviceMemory jacobians = cuda::on_device(bench.library(), p.z.data(), p.z.size(), "Jacobians");
    const cuda::DeviceMemory sums(bench.library(), static_cast<std::size_t>(p.count * p.n) * sizeof(double), "logarithms");
    const cuda::BenchTangents problem{.implicit = implicit,
                                      .threads = threads,
                                      .n = static_cast<int32_t>(p.n),
                                      .steps = steps,
                                      .chains = p.count,
                                      .jacobians = jacobians.as<double>(),
                                      .distinct = distinct,
                                      .log_sum = sums.as<double>()};
    const auto run = [&](int64_t units) {
        for (int64_t i = 0; i < units; ++i) bench.check_bench(bench.bench()->tangents(bench.device(), &problem), "tangents");
        bench.wait();
    };
    run(1);
    GpuCase made;
    made.what.name = name;
    made.what.parameters = {{"n", std::to_string(p.n)}, {"chains", std::to_string(p.count)}, {"steps", std::to_string(steps)}};
    made.what.unit = "product and QR of one step of one chain";
    made.what.amount = 10.0 / 3.0 * std::pow(static_cast<double>(p.n), 3);
    made.peak = bench.peaks().twofold;
    made.notes.push_back(implicit ? "Q stays in its reflectors" : "Q formed, products by units for matrices: the peak is that without");
    made.check.error = 0.0;
    for (const int64_t c : {int64_t{0}, p.count - 1}) {
        std::vector<double> found(static_cast<std::size_t>(p.n));
        sums.download(found.data(), found.size() * sizeof(double), static_cast<std::size_t>(c) * found.size() * sizeof(double));
        made.check.error = nan_max(made.check.error, relative_difference(found, expected_sums(p, c, steps)));
    }
    made.most["error"] = 1e-9;
    made.seconds = bench.time(run, 0.4);
    for (double& seconds : made.seconds) seconds /= static_cast<double>(p.count * steps);
    bench.row(std::move(made));
}

void add_tangents(GpuBench& bench, const Problem& p, double until) {
    if (bench.bench() == nullptr || p.n > 128) return;
    for (const int32_t threads : p.n == 64 ? std::vector<int32_t>{128, 256} : std::vector<int32_t>{512}) {
        for (const bool implicit : {false, true}) {
            const std::string name =
                "gpu/tangents/" + std::to_string(p.n) + (implicit ? "/q4-implicit-" : "/q3-formed-") + std::to_string(threads);
            if (bench.wanted(name) && bench.time_until(until, name))
                bench.attempt(name, [&] { measure_tangents(bench, p, implicit, threads, name); });
        }
    }
}

}  // namespace

void add_gpu_qr(GpuBench& bench, double until) {
    for (const int64_t n : {64, 128, 256, 512}) {
        if (bench.tiny() && n > 64) break;
        // Some waves of blocks, and 138 MB of matrices at 132 multiprocessors.
        const int64_t count =
            bench.tiny() ? 2 : std::max<int64_t>(1, int64_t{32} * bench.facts().multiprocessors * 64 * 64 / (n * n) / 8 * 8);
        const Problem p(n, count);
        double best = unknown;
        std::string best_form;
        for (const Form& form : forms_of(bench, p)) {
            const std::string name = "gpu/qr/" + std::to_string(n) + "/" + form.name;
            if (!bench.wanted(name) || !bench.time_until(until, name)) continue;
            bench.attempt(name, [&] {
                const double seconds = measure_form(bench, p, form, name, 0.4);
                if (form.name[1] == '0' || seconds >= best) return;
                best = seconds;
                best_form = form.name;
            });
        }
        add_tangents(bench, p, until);
        if (!best_form.empty()) bench.remember("QR " + std::to_string(n) + " " + rounded(1e6 * best, 3) + " us by " + best_form);
    }
}

}  // namespace aelle::perf
