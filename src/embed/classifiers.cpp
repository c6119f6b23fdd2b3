#include "aelle/embed/classifiers.hpp"

#include <cmath>
#include <limits>

#include "judging.hpp"

namespace aelle::embed {
namespace {

Judgement call_all_good(const Features& f) {
    Judgement result;
    result.score.assign(f.usable.size(), 1.0);
    result.positive = f.usable;
    result.boundary.assign(static_cast<std::size_t>(f.epochs), std::numeric_limits<double>::quiet_NaN());
    result.side.assign(static_cast<std::size_t>(f.epochs), 0);
    return result;
}

std::vector<double> init_distance(const Features& f) {
    std::vector<double> values = by_row(f, f.init);
    for (double& value : values) value = std::fabs(value - *f.options->init_centre);
    return values;
}

}  // namespace

std::vector<Classifier> classifiers(const AnalysisOptions& options) {
    std::vector<Classifier> list{
        {"all-good", call_all_good},
        {"le-mean", [](const Features& f) { return by_best(f, f.mean); }},
        {"le-max", [](const Features& f) { return by_best(f, f.maximum); }},
        {"le-std", [](const Features& f) { return by_best(f, f.deviation); }},
        {"le-kaplan-yorke", [](const Features& f) { return by_best(f, f.kaplan_yorke); }},
        {"le-pc1", [](const Features& f) { return by_best(f, component(f.le_pc, 0)); }},
        {"aelle-pc1", [](const Features& f) { return by_best(f, component(f.aelle_pc, 0)); }},
        {"aelle-pc1-median", [](const Features& f) { return by_median(f, component(f.aelle_pc, 0)); }},
        {"le-mean-median", [](const Features& f) { return by_median(f, f.mean); }},
        {"le-max-median", [](const Features& f) { return by_median(f, f.maximum); }},
        {"le-pc1-median", [](const Features& f) { return by_median(f, component(f.le_pc, 0)); }},
        {"ridge-spectrum", [](const Features& f) { return regress(f, f.baseline(), f.baseline().rows()); }},
        {"ridge-le-pcs", [](const Features& f) { return regress_components(f, f.le_pc); }},
        {"ridge-aelle-pcs", [](const Features& f) { return regress_components(f, f.aelle_pc); }},
        {"aelle-orthants-1", [](const Features& f) { return by_orthants(f, f.aelle_pc, 1); }},
        {"aelle-orthants-2", [](const Features& f) { return by_orthants(f, f.aelle_pc, 2); }},
        {"aelle-orthants-4", [](const Features& f) { return by_orthants(f, f.aelle_pc, 4); }},
        {"aelle-orthants-10", [](const Features& f) { return by_orthants(f, f.aelle_pc, 10); }},
        {"aelle-ellipse", [](const Features& f) { return by_ellipse(f, f.aelle_pc); }},
        {"aelle-prediction", [](const Features& f) { return by_best(f, f.predicted_loss, Side::below); }},
        {"5-nn-spectrum", [](const Features& f) { return nearest_neighbours(f, f.transformed); }},
        {"5-nn-mean-max", [](const Features& f) { return nearest_neighbours(f, scaled_mean_and_maximum(f)); }},
        {"epoch-loss", by_epoch_loss},
        {"epoch-loss-final-threshold", by_epoch_loss_and_final_threshold},
        {"init", [](const Features& f) { return by_best(f, by_row(f, f.init)); }},
        {"architecture", by_architecture},
        {"logistic", [](const Features& f) { return logistic_on_networks(f, false); }},
        {"logistic-by-architecture", [](const Features& f) { return logistic_on_networks(f, true); }},
    };
    if (options.init_centre) list.push_back({"init-distance", [](const Features& f) { return by_best(f, init_distance(f)); }});
    return list;
}

}  // namespace aelle::embed
