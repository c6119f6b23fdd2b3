#pragma once
/// Networks of every cell for tests of `aelle spectrum`, written as files and stepped here by plain loops from the published equations.
///
/// The reference shares nothing with the program: forward equations only, Jacobians by complex steps (d f(x + i h) = Im f / h with h = 1e-200, exact to
/// rounding), Gram-Schmidt in long double.

#include <algorithm>
#include <cmath>
#include <complex>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "aelle/base/random.hpp"
#include "program.hpp"

namespace aelle::test {

using Complex = std::complex<double>;
using Reals = std::vector<double>;
using Complexes = std::vector<Complex>;

struct GivenTensor {
    io::Dims dims;
    Reals values;  ///< row-major
};

struct GivenNet {
    std::string cell;
    int64_t hidden = 0, input = 0, blocks = 1;
    std::map<std::string, GivenTensor> tensors;
    std::map<std::string, double> scalars;  ///< defaults of the cell

    int64_t dimension() const { return blocks * hidden; }

    /// Rows from `block` * H on of a tensor times v, plus those of a bias where there is one.
    Complexes product(const std::string& name, const Complexes& v, int64_t block = 0, bool transposed = false) const {
        const GivenTensor& w = tensors.at(name);
        const auto columns = static_cast<int64_t>(v.size());
        Complexes y(static_cast<std::size_t>(hidden));
        for (int64_t i = 0; i < hidden; ++i) {
            for (int64_t j = 0; j < columns; ++j) {
                const int64_t at = transposed ? j * columns + i : (block * hidden + i) * columns + j;
                y[i] += w.values[at] * v[j];
            }
        }
        return y;
    }
    double bias(const std::string& name, int64_t i, int64_t block = 0) const {
        const auto found = tensors.find(name);
        return found == tensors.end() ? 0.0 : found->second.values[block * hidden + i];
    }
    /// W x + b of the block.
    Complexes from_input(const Complexes& x, int64_t block = 0, const std::string& weight = "weight_ih_l0", const std::string& offset = "bias_ih_l0") const {
        Complexes a = product(weight, x, block);
        for (int64_t i = 0; i < hidden; ++i) a[i] += bias(offset, i, block);
        return a;
    }
    Complexes from_hidden(const Complexes& h, int64_t block = 0) const {
        Complexes a = product("weight_hh_l0", h, block);
        for (int64_t i = 0; i < hidden; ++i) a[i] += bias("bias_hh_l0", i, block);
        return a;
    }
    /// (M + (1 - 2 beta) M^T - gamma I) h
    Complexes symmetric_skew(const std::string& name, const Complexes& h, double beta, double gamma) const {
        const Complexes m = product(name, h), t = product(name, h, 0, true);
        Complexes y(h.size());
        for (std::size_t i = 0; i < h.size(); ++i) y[i] = m[i] + (1 - 2 * beta) * t[i] - gamma * h[i];
        return y;
    }

    Complexes step(const Complexes& s, const Complexes& x) const;
};

inline Complex logistic(Complex a) { return 1.0 / (1.0 + std::exp(-a)); }

/// One step of a cell from its state blocks h and c (the same for cells of one block) and the input: the next state, h' first.
using GivenStep = Complexes (*)(const GivenNet& net, const Complexes& h, const Complexes& c, const Complexes& x);

inline Complexes step_rnn(const GivenNet& net, const Complexes& h, const Complexes&, const Complexes& x) {
    const Complexes a = net.from_input(x), u = net.from_hidden(h);
    Complexes next(h.size());
    for (std::size_t i = 0; i < h.size(); ++i) next[i] = std::tanh(a[i] + u[i]);
    return next;
}

inline Complexes step_lstm(const GivenNet& net, const Complexes& h, const Complexes& c, const Complexes& x) {
    const std::size_t hidden = h.size();
    Complexes a[4], next(2 * hidden);
    for (int64_t k = 0; k < 4; ++k) {
        a[k] = net.from_input(x, k);
        const Complexes u = net.from_hidden(h, k);
        for (std::size_t i = 0; i < hidden; ++i) a[k][i] += u[i];
    }
    for (std::size_t i = 0; i < hidden; ++i) {
        next[hidden + i] = logistic(a[1][i]) * c[i] + logistic(a[0][i]) * std::tanh(a[2][i]);
        next[i] = logistic(a[3][i]) * std::tanh(next[hidden + i]);
    }
    return next;
}

inline Complexes step_gru(const GivenNet& net, const Complexes& h, const Complexes&, const Complexes& x) {
    Complexes w[3], u[3], next(h.size());
    for (int64_t k = 0; k < 3; ++k) w[k] = net.from_input(x, k), u[k] = net.from_hidden(h, k);
    for (std::size_t i = 0; i < h.size(); ++i) {
        const Complex r = logistic(w[0][i] + u[0][i]), z = logistic(w[1][i] + u[1][i]), n = std::tanh(w[2][i] + r * u[2][i]);
        next[i] = (1.0 - z) * n + z * h[i];
    }
    return next;
}

inline Complexes step_asrnn(const GivenNet& net, const Complexes& h, const Complexes&, const Complexes& x) {
    const Complexes w = net.from_input(x), a = net.symmetric_skew("weight_hh_l0", h, 1.0, net.scalars.at("gamma"));
    const Complexes gate = net.cell == "asrnn" ? Complexes() : net.from_input(x, 0, "weight_iz_l0", "bias_iz_l0");
    Complexes next(h.size());
    for (std::size_t i = 0; i < h.size(); ++i) {
        const Complex z = gate.empty() ? 1.0 : logistic(a[i] + gate[i]);
        next[i] = h[i] + net.scalars.at("eps") * z * std::tanh(a[i] + w[i]);
    }
    return next;
}

inline Complexes step_cornn(const GivenNet& net, const Complexes& y, const Complexes& z, const Complexes& x) {
    const double dt = net.scalars.at("dt"), gamma = net.scalars.at("gamma"), epsilon = net.scalars.at("epsilon");
    const Complexes a = net.from_input(x, 0, "weight_ih_l0", "bias_l0"), from_y = net.product("weight_hy_l0", y), from_z = net.product("weight_hz_l0", z);
    const std::size_t hidden = y.size();
    Complexes next(2 * hidden);
    for (std::size_t i = 0; i < hidden; ++i) {
        next[hidden + i] = z[i] + dt * (std::tanh(a[i] + from_y[i] + from_z[i]) - gamma * y[i] - epsilon * z[i]);
        next[i] = y[i] + dt * next[hidden + i];
    }
    return next;
}

/// Lipschitz and noisy, which is noise-free here.
inline Complexes step_lipschitz(const GivenNet& net, const Complexes& h, const Complexes&, const Complexes& x) {
    const double beta = net.scalars.at("beta");
    const Complexes a = net.symmetric_skew("weight_a_l0", h, beta, net.scalars.at("gamma_a"));
    const Complexes w = net.symmetric_skew("weight_hh_l0", h, beta, net.scalars.at("gamma_w")), b = net.from_input(x);
    Complexes next(h.size());
    for (std::size_t i = 0; i < h.size(); ++i) {
        const double d = net.tensors.contains("step_l0") ? net.tensors.at("step_l0").values[i] : net.scalars.at("eps");
        next[i] = h[i] + d * (a[i] + std::tanh(w[i] + b[i]));
    }
    return next;
}

inline Complexes step_lem(const GivenNet& net, const Complexes& y, const Complexes& z, const Complexes& x) {
    const double dt = net.scalars.at("dt");
    const std::size_t hidden = y.size();
    Complexes w[4], u[3], new_z(hidden), next(2 * hidden);
    for (int64_t k = 0; k < 4; ++k) w[k] = net.from_input(x, k);
    for (int64_t k = 0; k < 3; ++k) u[k] = net.from_hidden(y, k);
    for (std::size_t i = 0; i < hidden; ++i) {
        const Complex tau = dt * logistic(w[1][i] + u[1][i]);
        new_z[i] = (1.0 - tau) * z[i] + tau * std::tanh(w[3][i] + u[2][i]);
    }
    const Complexes q = net.product("weight_hz_l0", new_z);
    for (std::size_t i = 0; i < hidden; ++i) {
        const Complex tau = dt * logistic(w[0][i] + u[0][i]);
        next[i] = (1.0 - tau) * y[i] + tau * std::tanh(w[2][i] + q[i] + net.bias("bias_hz_l0", static_cast<int64_t>(i)));
        next[hidden + i] = new_z[i];
    }
    return next;
}

inline Complexes step_rank1(const GivenNet& net, const Complexes& x, const Complexes&, const Complexes&) {
    Complexes r(x.size()), next(x.size());
    Complex z = 0;
    for (std::size_t i = 0; i < x.size(); ++i) z += net.bias("weight_out", static_cast<int64_t>(i)) * (r[i] = std::tanh(x[i]));
    const Complexes m = net.product("weight_hh_l0", r);
    for (std::size_t i = 0; i < x.size(); ++i) {
        next[i] = x[i] + net.scalars.at("dt") * (m[i] + net.bias("weight_fb", static_cast<int64_t>(i)) * z - x[i]);
    }
    return next;
}

inline Complexes GivenNet::step(const Complexes& s, const Complexes& x) const {
    static const std::map<std::string, GivenStep> steps{
        {"rnn", step_rnn},     {"lstm", step_lstm},           {"gru", step_gru},         {"asrnn", step_asrnn}, {"asrnn-gated", step_asrnn},
        {"cornn", step_cornn}, {"lipschitz", step_lipschitz}, {"noisy", step_lipschitz}, {"lem", step_lem},     {"rank1", step_rank1}};
    return steps.at(cell)(*this, Complexes(s.begin(), s.begin() + hidden), Complexes(s.end() - hidden, s.end()), x);
}

/// A network with weights U(-width, width) / sqrt(H), which keep every spectrum mild.
inline GivenNet given_net(const std::string& cell, int64_t hidden, int64_t input, double width = 1.0) {
    const int64_t h = hidden, i = input;
    using Tensors = std::map<std::string, io::Dims>;
    const auto gates = [&](int64_t n) { return Tensors{{"weight_ih_l0", {n * h, i}}, {"weight_hh_l0", {n * h, h}}, {"bias_ih_l0", {n * h}}, {"bias_hh_l0", {n * h}}}; };
    const Tensors plain{{"weight_ih_l0", {h, i}}, {"weight_hh_l0", {h, h}}, {"bias_ih_l0", {h}}};
    const auto with = [](Tensors all, const Tensors& more) {
        all.insert(more.begin(), more.end());
        return all;
    };
    const std::map<std::string, Tensors> tensors{
        {"rnn", gates(1)},
        {"lstm", gates(4)},
        {"gru", gates(3)},
        {"asrnn", plain},
        {"asrnn-gated", with(plain, {{"weight_iz_l0", {h, i}}, {"bias_iz_l0", {h}}})},
        {"cornn", {{"weight_ih_l0", {h, i}}, {"weight_hy_l0", {h, h}}, {"weight_hz_l0", {h, h}}, {"bias_l0", {h}}}},
        {"lipschitz", with(plain, {{"weight_a_l0", {h, h}}})},
        {"noisy", with(plain, {{"weight_a_l0", {h, h}}, {"step_l0", {h}}})},
        {"lem", {{"weight_ih_l0", {4 * h, i}}, {"weight_hh_l0", {3 * h, h}}, {"bias_ih_l0", {4 * h}}, {"bias_hh_l0", {3 * h}}, {"weight_hz_l0", {h, h}}, {"bias_hz_l0", {h}}}},
        {"rank1", {{"weight_hh_l0", {h, h}}, {"weight_fb", {h}}, {"weight_out", {h}}}}};
    const std::map<std::string, std::map<std::string, double>> scalars{{"asrnn", {{"eps", 0.01}, {"gamma", 0.01}}},
                                                                       {"asrnn-gated", {{"eps", 0.01}, {"gamma", 0.01}}},
                                                                       {"cornn", {{"dt", 0.042}, {"gamma", 2.7}, {"epsilon", 4.7}}},
                                                                       {"lipschitz", {{"eps", 0.03}, {"beta", 0.75}, {"gamma_a", 0.001}, {"gamma_w", 0.001}}},
                                                                       {"noisy", {{"eps", 0.01}, {"beta", 0.75}, {"gamma_a", 0.001}, {"gamma_w", 0.001}}},
                                                                       {"lem", {{"dt", 1.0}}},
                                                                       {"rank1", {{"dt", 0.1}}}};
    GivenNet net{cell, hidden, cell == "rank1" ? 0 : input, cell == "lstm" || cell == "cornn" || cell == "lem" ? 2 : 1, {}, {}};
    if (scalars.contains(cell)) net.scalars = scalars.at(cell);
    RandomStream random(7, 0, Purpose::noise);
    const double bound = width / std::sqrt(static_cast<double>(hidden));
    for (const auto& [name, dims] : tensors.at(cell)) {
        GivenTensor tensor{dims, {}};
        int64_t count = 1;
        for (const int64_t d : dims) count *= d;
        // Floats, so that F32 files hold the same numbers.
        for (int64_t k = 0; k < count; ++k) tensor.values.push_back(static_cast<float>(name == "step_l0" ? random.uniform(0.005, 0.02) : random.uniform(-bound, bound)));
        net.tensors[name] = tensor;
    }
    return net;
}

/// Exponents along T inputs (T, I) from a state, descending; the last `hidden_only` leaves the auxiliary block out of the tangents.
inline Reals reference_spectrum(const GivenNet& net, const Reals& inputs, int64_t steps, Reals state, bool hidden_only = false, int64_t warmup = 0) {
    using Real = long double;
    const int64_t n = hidden_only ? net.hidden : net.dimension();
    std::vector<std::vector<Real>> q(n, std::vector<Real>(n));
    std::vector<Real> sum(n);
    for (int64_t i = 0; i < n; ++i) q[i][i] = 1;
    for (int64_t t = 0; t < steps; ++t) {
        const Complexes x(inputs.begin() + t * net.input, inputs.begin() + (t + 1) * net.input);
        const Complexes s(state.begin(), state.end());
        std::vector<std::vector<Real>> next(n, std::vector<Real>(n));
        for (int64_t j = 0; j < n; ++j) {
            Complexes shifted = s;
            shifted[j] += Complex(0, 1e-200);
            const Complexes column = net.step(shifted, x);
            for (int64_t k = 0; k < n; ++k) {
                for (int64_t i = 0; i < n; ++i) next[k][i] += static_cast<Real>(column[i].imag() / 1e-200) * q[k][j];
            }
        }
        for (int64_t k = 0; k < n; ++k) {
            for (int twice = 0; twice < 2; ++twice) {
                for (int64_t before = 0; before < k; ++before) {
                    Real dot = 0;
                    for (int64_t i = 0; i < n; ++i) dot += next[before][i] * next[k][i];
                    for (int64_t i = 0; i < n; ++i) next[k][i] -= dot * next[before][i];
                }
            }
            Real norm = 0;
            for (int64_t i = 0; i < n; ++i) norm += next[k][i] * next[k][i];
            norm = std::sqrt(norm);
            if (t >= warmup) sum[k] += std::log(norm);
            for (int64_t i = 0; i < n; ++i) next[k][i] /= norm;
        }
        q = next;
        const Complexes moved = net.step(s, x);
        for (std::size_t i = 0; i < moved.size(); ++i) state[i] = moved[i].real();
    }
    Reals exponents;
    for (const Real s : sum) exponents.push_back(static_cast<double>(s / static_cast<Real>(steps - warmup)));
    std::sort(exponents.rbegin(), exponents.rend());
    return exponents;
}

inline void write_h5(const GivenNet& net, const fs::path& path, const std::string& prefix = "") {
    io::H5Writer file;
    for (const auto& [name, tensor] : net.tensors) file.write(prefix + name, tensor.values, tensor.dims);
    file.commit(path);
}

/// The format as its makers publish it: length of the header, JSON header, little-endian data.
inline void write_safetensors(const GivenNet& net, const fs::path& path, const std::string& prefix = "") {
    std::string header = "{", data;
    for (const auto& [name, tensor] : net.tensors) {
        const std::size_t begin = data.size();
        for (const double value : tensor.values) {
            const auto single = static_cast<float>(value);
            data.append(reinterpret_cast<const char*>(&single), sizeof single);
        }
        std::string shape;
        for (const int64_t d : tensor.dims) shape += (shape.empty() ? "" : ",") + std::to_string(d);
        header += (header.size() > 1 ? "," : "") + ("\"" + prefix + name) + R"(":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[)" +
                  std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
    }
    header += "}";
    const auto length = static_cast<uint64_t>(header.size());
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file << header << data;
}

}  // namespace aelle::test
