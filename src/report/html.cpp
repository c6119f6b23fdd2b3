#include "aelle/report/html.hpp"

#include <array>
#include <map>
#include <utility>

#include "aelle/base/text.hpp"
#include "aelle/report/reading.hpp"
#include "explore.hpp"
#include "report_page.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {


std::string element(const std::string& tag, const std::string& text) { return "<" + tag + ">" + escaped(text) + "</" + tag + ">"; }

constexpr std::string_view heading_start = "<h2 id=\"section-";

/// Of a part of the page, for the list of contents; titles are words of ours.
std::string heading(const std::string& title) {
    std::string id;
    for (const char c : title) id += c == ' ' || c == '\'' || c == ',' ? '-' : c;
    return std::string(heading_start) + id + "\">" + escaped(title) + "</h2>\n";
}

/// Links to all headings of a text.
std::string contents(std::string_view body) {
    std::string links;
    for (std::size_t at = body.find(heading_start); at != std::string_view::npos; at = body.find(heading_start, at + 1)) {
        const std::size_t id = at + 8, id_end = body.find('"', id), end = body.find("</h2>", id_end);
        links += "<a href=\"#" + std::string(body.substr(id, id_end - id)) + "\">" + std::string(body.substr(id_end + 2, end - id_end - 2)) + "</a>\n";
    }
    return "<nav aria-label=\"Contents\">\n" + links + "</nav>\n";
}

std::string table_row(const std::string& cell, const std::vector<std::string>& values) {
    std::string row = "<tr>";
    for (std::size_t i = 0; i < values.size(); ++i) {
        const bool heading = cell == "th" || i == 0;
        const std::string scope = cell == "th" ? " scope=\"col\"" : " scope=\"row\"";
        row += heading ? "<th" + scope + ">" + escaped(values[i]) + "</th>" : "<td>" + escaped(values[i]) + "</td>";
    }
    return row + "</tr>\n";
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::string text = "<div class=\"wide\"><table><thead>\n" + table_row("th", rows.front()) + "</thead><tbody>\n";
    for (std::size_t i = 1; i < rows.size(); ++i) text += table_row("td", rows[i]);
    return text + "</tbody></table></div>\n";
}

std::string status_words(const Results& results) {
    std::map<std::string, int64_t> counts;
    for (const std::string& status : results.status) ++counts[status];
    std::vector<std::string> words;
    for (const char* known : {"ok", "diverged", "failed"}) {
        words.push_back(std::to_string(counts[known]) + " " + known);
        counts.erase(known);
    }
    for (const auto& [status, count] : counts) words.push_back(std::to_string(count) + " " + status);
    return join(words, ", ");
}

std::string epochs_words(const Results& results) {
    std::vector<std::string> words;
    for (const int64_t epoch : results.epoch) words.push_back(std::to_string(epoch));
    return join(words, ", ");
}

std::string facts(const Results& results) {
    int64_t high = 0;
    for (const int64_t label : results.label) high += label == 1;
    std::string text = "<dl class=\"facts\">\n";
    const auto add = [&](const std::string& what, const std::string& value) { text += element("dt", what) + element("dd", value) + "\n"; };
    add("Task", results.task);
    add("Architectures", results.cells);
    add("Networks", std::to_string(results.variants()) + ": " + status_words(results));
    add("Spectra after epochs", epochs_words(results));
    add("High accuracy", counted(high, "network", "networks") + ", " + results.loss_name + " below " + rounded(results.threshold, 4));
    add("In the analysis", std::to_string(results.diverged) + " diverged (of low accuracy wherever their spectrum is finite), " +
                               std::to_string(results.left_out) + " left out for want of a finite spectrum, " +
                               counted(results.clipped, "very small exponent", "very small exponents") + " raised to the floor");
    add("Seed", std::to_string(results.seed));
    add("Device", results.device);
    add("Version", "aelle " + results.version);
    return text + "</dl>\n";
}

std::string classifier_tables(const Results& results, const Scores& scores) {
    const int64_t last = results.epochs() - 1;
    const auto name = [&](const Summary& summary) { return results.classifier[static_cast<std::size_t>(summary.classifier)]; };
    const std::vector<Summary> order = ranked(scores, last);
    std::vector<std::vector<std::string>> rows{{"Classifier", "F1", "95 % interval", "Precision", "Recall", "Accuracy"}};
    for (const Summary& s : order) {
        rows.push_back({name(s), mean_and_deviation(s.f1), interval(s.f1.low, s.f1.high), mean_and_deviation(s.precision),
                        mean_and_deviation(s.recall), mean_and_deviation(s.accuracy)});
    }
    std::string text = table(rows) + "<p class=\"small\">" + escaped(scoring_note(results, last)) +
                       " Mean ± standard deviation over splits; interval of the mean F1 by bootstrap over networks.</p>\n";
    if (scores.undefined > 0) text += "<p class=\"small\">" + escaped(undefined_note(scores)) + "</p>\n";
    if (results.epochs() == 1) return text;
    rows.assign(1, {"F1 after epoch"});
    for (const int64_t epoch : results.epoch) rows[0].push_back(std::to_string(epoch));
    for (const Summary& s : order) {
        std::vector<std::string> row{name(s)};
        for (int64_t e = 0; e < results.epochs(); ++e) {
            row.push_back(mean_and_deviation(scores.summary[static_cast<std::size_t>(s.classifier * results.epochs() + e)].f1));
        }
        rows.push_back(std::move(row));
    }
    return text + table(rows);
}

std::string table_sections(const std::vector<TableSection>& sections) {
    std::string text;
    for (const TableSection& section : sections) {
        std::string tables;
        for (const ShownTable& shown : section.tables) {
            if (shown.empty()) continue;
            tables += element("h3", shown.title) + "\n" + table(shown.rows);
            for (const std::string& note : shown.notes) tables += "<p class=\"small\">" + escaped(note) + "</p>\n";
        }
        if (!tables.empty()) text += heading(section.title) + tables;
    }
    return text;
}

std::string figure_element(const DrawnFigure& drawn, std::size_t number) {
    std::string text = "<figure>\n" + element("h3", drawn.figure.title) + "\n";
    if (drawn.svg.empty()) {
        text += "<div class=\"absent\">" + escaped("Not drawn. Data and script: figures/" + drawn.figure.stem + ".dat, .gp") + "</div>\n";
    } else {
        text +=
            "<div class=\"drawing\">" + inline_svg(drawn.svg, "f" + std::to_string(number) + "-", drawn.figure.alternative) + "</div>\n";
    }
    return text + element("figcaption", drawn.figure.caption) + "\n</figure>\n";
}

constexpr std::array<std::pair<const char*, const char*>, 29> explanations{{
    {"all-good", "calls every network good: what any classifier has to beat"},
    {"le-mean", "one threshold on the mean Lyapunov exponent"},
    {"le-max", "one threshold on the largest exponent"},
    {"le-std", "one threshold on the standard deviation of the exponents"},
    {"le-kaplan-yorke", "one threshold on the Kaplan-Yorke dimension, the number of exponents whose sum is not negative, with a fraction"},
    {"le-pc1", "one threshold on the first principal component of the spectra"},
    {"aelle-pc1", "one threshold on the first principal component of the autoencoder's latent vectors"},
    {"aelle-pc1-median", "the same axis, cut at its median"},
    {"le-mean-median", "mean exponent, cut at its median"},
    {"le-max-median", "largest exponent, cut at its median"},
    {"le-pc1-median", "first principal component of the spectra, cut at its median"},
    {"ridge-spectrum", "ridge regression on the spectrum"},
    {"ridge-le-pcs", "ridge regression on principal components of the spectra"},
    {"ridge-aelle-pcs", "ridge regression on principal components of the latent vectors"},
    {"aelle-orthants-1", "the half of the first latent axis, cut at its median, that holds more good than bad training networks"},
    {"aelle-orthants-2", "quarters of the plane, cut at the medians, that hold more good than bad training networks"},
    {"aelle-orthants-4", "the same with four components, 16 parts"},
    {"aelle-orthants-10", "the same with ten components, 1024 parts; empty ones count as bad"},
    {"aelle-ellipse", "an ellipse about the good training networks in the plane"},
    {"aelle-prediction", "the loss that the autoencoder itself predicts"},
    {"5-nn-spectrum", "majority of the five networks with the nearest spectra"},
    {"5-nn-mean-max", "majority of the five nearest by mean and largest exponent"},
    {"epoch-loss", "one threshold, fitted to that epoch, on the loss measured at the epoch of the spectrum"},
    {"epoch-loss-final-threshold", "that loss below the threshold for the final one, as the paper did"},
    {"architecture", "share of good training networks of the same architecture, without any spectrum"},
    {"logistic", "logistic regression on the initialisation parameter, size and architecture, without any spectrum"},
    {"logistic-by-architecture", "the same, with a slope of the parameter for each architecture"},
    {"init", "one threshold on the initialisation parameter, without any spectrum"},
    {"init-distance", "one threshold on the distance of that parameter from a best value, without any spectrum"},
}};

std::string how_to_read(const Results& results) {
    std::string text = heading("How to read this");
    text += element("p",
                    "A network's Lyapunov exponents say how fast small disturbances of its state grow or shrink. AeLLE is an autoencoder "
                    "that turns a whole spectrum "
                    "into a few numbers while predicting the loss; the plane shows their first two principal components. The question is "
                    "whether the spectrum "
                    "tells which networks are accurate.");
    text += element("p",
                    "Precision is the share of networks called good that are good, recall the share of good ones that are found, F1 their "
                    "harmonic mean. The networks are "
                    "split at random into training, validation and test; only test networks are scored. Intervals hold the uncertainty of "
                    "which networks were "
                    "sampled, the standard deviation that of the split.");
    text += "<details><summary>The classifiers</summary><dl class=\"names\">\n";
    for (const auto& [name, meaning] : explanations) {
        if (results.find_classifier(name) >= 0) text += element("dt", name) + element("dd", meaning) + "\n";
    }
    return text + "</dl></details>\n";
}

std::string replaced(std::string text, std::string_view from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
    return text;
}

/// Removes every ` name="..."` whose name starts so.
std::string without_attribute(std::string text, const std::string& name) {
    for (std::size_t at = text.find(" " + name); at != std::string::npos; at = text.find(" " + name, at)) {
        const std::size_t open = text.find_first_of("\"'", at);
        const std::size_t close = open == std::string::npos ? open : text.find(text[open], open + 1);
        if (close == std::string::npos) break;
        text.erase(at, close + 1 - at);
    }
    return text;
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        switch (c) {
            case '&': safe += "&amp;"; break;
            case '<': safe += "&lt;"; break;
            case '>': safe += "&gt;"; break;
            case '"': safe += "&quot;"; break;
            case '\'': safe += "&#39;"; break;
            default: safe += c;
        }
    }
    return safe;
}

std::string inline_svg(std::string_view svg, std::string_view prefix, std::string_view label) {
    const std::size_t start = svg.find("<svg");
    const std::size_t head_end = svg.find('>', start);
    if (start == std::string_view::npos || head_end == std::string_view::npos) return "";
    std::string head = without_attribute(std::string(svg.substr(start, head_end - start)), "xmlns");
    std::string body(svg.substr(head_end));
    for (const char* description : {"<title>", "<desc>"}) {
        const std::string open = description, close = "</" + open.substr(1);
        const std::size_t from = body.find(open), to = body.find(close);
        if (from != std::string::npos && to != std::string::npos) body.erase(from, to + close.size() - from);
    }
    const std::string mark(prefix);
    for (const char* reference : {" id=\"", " id='", "href=\"#", "href='#", "url(#", "url('#", "url(\"#"})
        body = replaced(body, reference, reference + mark);
    return head + " role=\"img\" aria-label=\"" + escaped(label) + "\"" + body;
}

std::string html_page(const Results& results, const Scores& scores, const std::vector<TableSection>& sections, const std::vector<DrawnFigure>& figures,
                      const std::vector<std::string>& notes) {
    std::string text =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
        // Nothing is fetched, whatever a name in the study holds.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n";
    text += element("title", results.name + ": Lyapunov spectra and accuracy") + "\n<style>\n" + std::string(page::style_css) + "</style>\n</head>\n<body>\n";
    text += element("h1", results.name);
    text += "<p class=\"lead\">" +
            escaped(counted(results.variants(), "recurrent network", "recurrent networks") + " trained on the task " + results.task +
                    ", their Lyapunov spectra, and how well the spectra tell the accurate networks from the others.") +
            "</p>\n";
    if (!notes.empty()) {
        text += "<div class=\"notes\">";
        for (const std::string& note : notes) text += element("p", note);
        text += "</div>\n";
    }
    std::string body = heading("Result");
    for (const std::string& sentence : findings(results, scores, results.epochs() - 1)) body += element("p", sentence) + "\n";
    for (const Paragraph& paragraph : reading(results, scores)) {
        body += element("h3", paragraph.title) + "\n<ul>\n";
        for (const std::string& sentence : paragraph.sentences) body += element("li", sentence) + "\n";
        body += "</ul>\n";
    }
    const std::string plane = explore_section(results);
    if (!plane.empty()) body += heading("The plane, network by network") + plane;
    body += heading("Scores") + classifier_tables(results, scores);
    body += table_sections(sections);
    body += heading("Figures");
    for (std::size_t i = 0; i < figures.size(); ++i) body += figure_element(figures[i], i + 1);
    body += how_to_read(results);
    body += heading("The study") + facts(results);
    body += "<details><summary>Study file as run</summary><pre>" + escaped(results.text) + "</pre></details>\n";
    text += contents(body) + body + "</body>\n</html>\n";
    return text;
}

}  // namespace aelle::report
