#pragma once
/// Products, solutions and factorisations of matrices that stay in the second or third cache, on one core: faster than OpenBLAS up to n = 768 or so.

#include <cstdint>
#include <vector>

namespace aelle {

/// X U = B solved for X in place of B, U (n x n) upper triangular.
///
/// x (rows x n) column-major with leading dimension `ld`, u(i, j) at u[i * row_step + j * column_step]. `inverse_diagonal` (n) holds 1 / u(i, i);
/// null: U has ones on its diagonal. With `lower` only x(i, j), i >= j, is found and wanted; what is above is overwritten.
/// `ld` is a multiple of 64 bytes and x aligned to them; rows up to `ld` are worked on.
template <class T>
void solve_from_right(T* x, int64_t ld, int64_t n, const T* u, int64_t row_step, int64_t column_step, const T* inverse_diagonal,
                      bool lower);

/// Entries (i, j), i >= j, of C = U L; what is above is overwritten. U upper triangular, L strictly lower triangular, zeros stored. All (n x n) column-major
/// with leading dimension `ld`, as above.
template <class T>
void lower_part_of_product(const T* u, const T* l, T* c, int64_t ld, int64_t n);

/// Entries (i, j), i >= j, of the Gram matrix G = Z^T Z at g[i + j * ld], where G's are; some of what is above is overwritten. Z is rounded to T first. z (rows x n)
/// column-major with any leading dimension and alignment; `ld` as above; `scratch` (ld x rows), aligned.
template <class T>
void gram(const double* z, int64_t ld_z, int64_t rows, int64_t n, T* g, int64_t ld, T* scratch);

/// Cholesky factorisation G = R^T R; r(i, j), i <= j, at g[i * ld + j], where G's was. `inverse_diagonal` (n) receives 1 / r_ii. False, with g spoiled, as
/// soon as a pivot r_ii^2 is not above `smallest`. `ld` as above; what is below the diagonal is overwritten.
template <class T>
bool cholesky(T* g, int64_t ld, int64_t n, T smallest, T* inverse_diagonal);

/// The four functions for one instruction set.
template <class T>
struct TriangularFunctions {
    void (*solve_from_right)(T*, int64_t, int64_t, const T*, int64_t, int64_t, const T*, bool);
    void (*lower_part_of_product)(const T*, const T*, T*, int64_t, int64_t);
    bool (*cholesky)(T*, int64_t, int64_t, T, T*);
    void (*gram)(const double*, int64_t, int64_t, int64_t, T*, int64_t, T*);
};

/// One for each instruction set that the processor has, the widest last: for tests.
template <class T>
std::vector<const TriangularFunctions<T>*> all_triangular_functions();

}  // namespace aelle
