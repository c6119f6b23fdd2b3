#pragma once
/// The derivative of one step of any cell: tangents moved stage by stage, and the step's Jacobian.
///
///     dA_slot = sum over terms of  W_term (through'(source) o dS_source)
///     dS'_b   = sum_slot D_a[b, slot] o dA_slot + sum_c D_s[b, c] o dS_c
///
/// Few columns are multiplied gate by gate, many by the sums over slots of diag(D_a[b, slot]) W_slot where that takes fewer products
/// (performance.md section 3, rule 5). Partials that the equations make zero or one are skipped.

#include <vector>

#include "aelle/backend/backend.hpp"
#include "kernels/cpu/gates.hpp"

namespace aelle::cpu {

template <class T>
class Linearisation {
public:
    Linearisation(int readout_block, const Gates<T>& gates, std::vector<kernels::StagePattern> patterns, backend::TangentSpace space);

    /// Where kernels::linearise_stage writes; to be filled for every stage, then `filled` called.
    T* d_a(int stage) { return partials_[stage].d_a.data(); }
    T* d_s(int stage) { return partials_[stage].d_s.data(); }
    void filled();

    int64_t dimension() const { return full() ? blocks_ * hidden_ : hidden_; }
    void tangent(MatrixView<const T> v, MatrixView<T> w);
    void jacobian(MatrixView<T> j) { propagate(identity(), j, false); }
    void unsheared_tangent(MatrixView<const T> v, MatrixView<T> w) { full() ? propagate(columns_of(v), w, true) : tangent(v, w); }
    void unsheared_jacobian(MatrixView<T> s) { propagate(identity(), s, full()); }
    void shear(MatrixView<T> v);
    bool shears() const;

private:
    using Product = typename Gates<T>::Product;
    static constexpr int64_t few_columns = 4;  ///< fewer are multiplied gate by gate

    struct Partials {
        AlignedVector<T> d_a, d_s;  ///< as in kernels::linearise_stage
    };
    /// The tangent of one state block: K columns of numbers, or the identity in columns first_column ... and zero elsewhere.
    struct Tangent {
        enum class Kind { zero, identity, dense };
        Kind kind = Kind::zero;
        MatrixView<const T> view{};
        int64_t first_column = 0;
    };
    using Tangents = std::vector<Tangent>;  ///< one a block
    /// sum over slots of diag(D_a[block, slot]) W_slot diag(slope): what a stage multiplies one source by to write one block.
    struct Sum {
        int stage = 0, block = 0;
        const Product* product = nullptr;
        std::vector<AlignedVector<T>> gates = {};  ///< W_slot of every slot that feeds the block, (H x H) column-major
        std::vector<const T*> weights = {};        ///< D_a[block, slot] of the same
        AlignedVector<T> matrix = {};              ///< (H x H) column-major
        bool formed = false;                       ///< for the last step
    };

    bool full() const { return space_ == backend::TangentSpace::full; }
    bool wanted(int block) const { return full() || block == readout_; }
    int last_stage() const { return static_cast<int>(patterns_.size()) - 1; }
    const T* d_a(int stage, int block, int slot) const {
        return partials_[stage].d_a.data() + (block * patterns_[stage].slots + slot) * hidden_;
    }
    const T* d_s(int stage, int block, int other) const { return partials_[stage].d_s.data() + (block * blocks_ + other) * hidden_; }
    /// Whether the block that the stage writes depends on what the product adds to the stage's slot k.
    bool feeds(const Product& product, int stage, int block, int slot) const;
    const Tangent& source(const Product& product, const Tangents& start, const Tangents& seen) const;

    Tangents& columns_of(MatrixView<const T> v);
    Tangents& identity();
    void find_sums();
    void propagate(const Tangents& start, MatrixView<T> out, bool without_shear);
    MatrixView<T> destination(int stage, int block, MatrixView<T> out);
    /// Products with dense tangents, into slot_values_.
    void multiply(cells::Source from, int stage, const Tangents& tangents, int64_t columns);
    MatrixView<T> slot_view(int slot, int slots, int64_t columns);
    /// to = what the stage makes of dense tangents and products, plus `added` if not null.
    void combine(int stage, int block, const Tangents& seen, const T* added, MatrixView<T> to);
    /// to += what it makes of identities.
    void add_identities(int stage, int block, const Tangents& start, const Tangents& seen, MatrixView<T> to);
    void add_sums(int stage, int block, const Tangents& start, const Tangents& seen, MatrixView<T> to);
    void gather(Sum& sum);
    void form(Sum& sum);
    /// Column j of each gate and its weights into column_ and weight_, after `added` with ones if not null; how many.
    int64_t gate_columns(const Sum& sum, int64_t j, const T* added);
    void add_matrix(Sum& sum, MatrixView<T> to);
    /// Whether one product with the Jacobian takes less than products with the sums.
    bool whole_pays(int64_t columns) const { return !full() && sums_.size() > 1 && 2 * columns >= hidden_; }
    void find_terms();
    void form_whole(MatrixView<T> whole);

    const Gates<T>& gates_;
    int64_t hidden_;
    int blocks_, readout_;
    backend::TangentSpace space_;
    const Kernels<T>& kernels_;
    std::vector<kernels::StagePattern> patterns_;
    std::vector<bool> sheared_;
    std::vector<Partials> partials_;
    std::vector<Sum> sums_;   ///< empty where they do not pay
    AlignedVector<T> whole_;  ///< the Jacobian of the last step, where whole_pays
    bool whole_formed_ = false;
    /// A gate's matrix that the readout block's old tangent is multiplied by. Where there are no other products, tangents of every block are
    /// diag(w_0) + sum over terms of diag(w_k) W_k all through the step, and the Jacobian takes one pass.
    struct Term {
        int stage = 0, slot = 0;
        const T* matrix = nullptr;  ///< (H x H) column-major
    };
    std::vector<Term> terms_;           ///< empty where there are other products
    AlignedVector<T> term_weights_[2];  ///< per block w_0 and the w_k, (H) each; before and after a stage
    Tangents start_, current_, seen_;
    std::vector<bool> has_value_;            ///< per slot: slot_values_ holds something
    std::vector<const T*> weight_, column_;  ///< scratch of combine
    AlignedVector<T> ones_, slot_values_;
    std::vector<AlignedVector<T>> between_;  ///< tangents after each stage
    typename LinearMap<T>::Scratch scratch_;
};

}  // namespace aelle::cpu
