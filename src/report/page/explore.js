// The interactive AeLLE plane of the report: pointer and keyboard, no network, no framework. Its data are in #explore-data (src/report/explore.cpp).
(() => {
'use strict';
const data = JSON.parse(document.getElementById('explore-data').textContent);
const element = id => document.getElementById(id);
const plane = element('explore-plane'), spectrum = element('explore-spectrum');
const E = data.epochs.length, V = data.variant.length, P = data.spectrum.points;
const INK = '#333', GRID = '#e3e3e3', BLUE = '#0072B2', VERMILLION = '#D55E00';
const GROUPS = ['#0072B2', '#E69F00', '#009E73', '#D55E00', '#56B4E9', '#CC79A7', '#C9B400', '#000'];
const VIRIDIS = [[68, 1, 84], [70, 50, 126], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 193, 109], [160, 218, 57], [253, 231, 37]];
const state = {epoch: E - 1, colour: 'accuracy', hover: -1, chosen: -1};

// --- numbers ---
const at = (v, e) => v * E + e;
const placed = (v, e) => data.pc1[at(v, e)] !== null && data.pc2[at(v, e)] !== null;
const number = x => x === null || x === undefined ? 'not finite' : String(Number(Number(x).toPrecision(4)));
const codes = (() => {
    const text = atob(data.spectrum.codes), values = new Uint16Array(text.length / 2);
    for (let i = 0; i < values.length; ++i) values[i] = text.charCodeAt(2 * i) | text.charCodeAt(2 * i + 1) << 8;
    return values;
})();
// The inverse of the signed logarithm that codes 1 to 65534 are even steps of. Code 0: minus infinity; 65535: none.
function exponent(code) {
    if (code === 65535) return null;
    if (code === 0) return -Infinity;
    const s = data.spectrum, g = s.low + (s.high - s.low) * (code - 1) / 65533;
    return Math.sign(g) * s.scale * Math.expm1(Math.abs(g));
}
// Samples of a spectrum, all exponents where they are few; -Infinity among them.
const exponents = (v, e) => Array.from(codes.subarray(at(v, e) * P, at(v, e) * P + P), exponent).filter(x => x !== null);

// --- axes, which are those of all epochs together, so that a network's path can be followed ---
function fence(values) {
    const sorted = values.filter(x => x !== null).sort((a, b) => a - b);
    if (!sorted.length) return [0, 1];
    const low = sorted[sorted.length >> 2], high = sorted[sorted.length - 1 - (sorted.length >> 2)], reach = high > low ? 8 * (high - low) : Infinity;
    const from = Math.max(sorted[0], low - reach), to = Math.min(sorted[sorted.length - 1], high + reach), margin = to > from ? .04 * (to - from) : .5;
    return [from - margin, to + margin];
}
const rangeX = fence(data.pc1.slice()), rangeY = fence(data.pc2.slice());
const outside = (values, range) => values.filter(x => x !== null && (x < range[0] || x > range[1])).length;
function atEdge(count) {
    if (count === 0) return '';
    return count + (count === 1 ? ' value beyond the axes is' : ' values beyond the axes are') + ' drawn at the edge.';
}
const clamp = (x, range) => Math.min(Math.max(x, range[0]), range[1]);

// --- drawing ---
function prepare(canvas) {
    const scale = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(height * scale);
    }
    const context = canvas.getContext('2d');
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
    context.font = '13px system-ui, sans-serif';
    return {context, width, height, left: 58, right: width - 14, top: 12, bottom: height - 44};
}
function tics(range) {
    const rough = (range[1] - range[0]) / 8, decade = 10 ** Math.floor(Math.log10(rough)), step = decade * [1, 2, 5, 10].find(m => m * decade >= rough);
    const list = [];
    for (let i = Math.ceil(range[0] / step); i * step <= range[1]; ++i) list.push(i * step);
    return list;
}
function axes(view, x, y, labelX, labelY) {
    const {context, left, right, top, bottom} = view;
    view.toX = value => left + (clamp(value, x) - x[0]) / (x[1] - x[0]) * (right - left);
    view.toY = value => bottom - (clamp(value, y) - y[0]) / (y[1] - y[0]) * (bottom - top);
    context.lineWidth = 1;
    context.fillStyle = INK;
    for (const value of tics(x)) line(context, [[view.toX(value), top], [view.toX(value), bottom]], GRID), text(context, String(+value.toPrecision(6)), view.toX(value), bottom + 17, 'center');
    for (const value of tics(y)) line(context, [[left, view.toY(value)], [right, view.toY(value)]], GRID), text(context, String(+value.toPrecision(6)), left - 7, view.toY(value) + 4, 'right');
    line(context, [[left, top], [left, bottom], [right, bottom]], INK);
    text(context, labelX, (left + right) / 2, bottom + 36, 'center');
    context.save();
    context.translate(14, (top + bottom) / 2);
    context.rotate(-Math.PI / 2);
    text(context, labelY, 0, 0, 'center');
    context.restore();
}
function line(context, points, colour, dash = []) {
    context.strokeStyle = colour;
    context.setLineDash(dash);
    context.beginPath();
    points.forEach(([x, y], i) => i ? context.lineTo(x, y) : context.moveTo(x, y));
    context.stroke();
    context.setLineDash([]);
}
function text(context, words, x, y, align) {
    context.textAlign = align;
    context.fillStyle = INK;
    context.fillText(words, x, y);
}
function mark(context, x, y, size, colour, round, filled) {
    context.beginPath();
    if (round) context.arc(x, y, size, 0, 2 * Math.PI);
    else context.moveTo(x, y - 1.2 * size), context.lineTo(x + 1.1 * size, y + .8 * size), context.lineTo(x - 1.1 * size, y + .8 * size), context.closePath();
    context.lineWidth = 1.3;
    context.strokeStyle = context.fillStyle = colour;
    if (filled) context.fill();
    else context.stroke();
}

// --- colours ---
const distinct = values => [...new Set(values)].sort((a, b) => a - b);
const sizes = distinct(data.hidden), inits = distinct(data.init.filter(x => x !== null));
const logarithmic = inits.length > 0 && inits[0] > 0 && inits[inits.length - 1] > 20 * inits[0];
function gradient(share) {
    const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1), i = Math.min(Math.floor(place), VIRIDIS.length - 2);
    return 'rgb(' + VIRIDIS[i].map((low, k) => Math.round(low + (place - i) * (VIRIDIS[i + 1][k] - low))).join(',') + ')';
}
const byInit = value => {
    const scale = logarithmic ? Math.log : x => x, low = scale(inits[0]), high = scale(inits[inits.length - 1]);
    return value === null ? '#888' : gradient(high > low ? (scale(value) - low) / (high - low) : 0);
};
const group = i => GROUPS[i % GROUPS.length];
const colours = {
    accuracy: v => data.label[v] ? BLUE : VERMILLION,
    architecture: v => group(data.cell[v]),
    init: v => byInit(data.init[v]),
    size: v => group(sizes.indexOf(data.hidden[v])),
    status: v => group(data.status[v]),
};
const legends = {
    accuracy: () => [[BLUE, 'high accuracy (circles)'], [VERMILLION, 'low accuracy (triangles)']],
    architecture: () => data.cells.map((name, i) => [group(i), name]),
    init: () => [0, .5, 1].map(share => inits[Math.round(share * (inits.length - 1))]).map(value => [byInit(value), data.initName + ' = ' + number(value)]),
    size: () => sizes.map((size, i) => [group(i), size + ' units']),
    status: () => data.statuses.map((name, i) => [group(i), name]),
};

// --- the plane: points once for each epoch and colouring, the cursor and a path on top ---
const picture = document.createElement('canvas');
let view = null, drawn = '';
function drawPlane() {
    const wanted = [state.epoch, state.colour, plane.clientWidth, plane.clientHeight, window.devicePixelRatio].join();
    if (wanted !== drawn) {
        view = prepare(plane);
        axes(view, rangeX, rangeY, 'PC1 of the latent vectors', 'PC2 of the latent vectors');
        const boundary = data.boundary[state.epoch], size = V > 3000 ? 2.2 : 4;
        let beyond = 0;
        if (boundary !== null && boundary > rangeX[0] && boundary < rangeX[1]) {
            view.context.lineWidth = 2;
            line(view.context, [[view.toX(boundary), view.top], [view.toX(boundary), view.bottom]], INK, [8, 5]);
        }
        for (let v = 0; v < V; ++v) {
            if (!placed(v, state.epoch)) continue;
            const i = at(v, state.epoch);
            mark(view.context, view.toX(data.pc1[i]), view.toY(data.pc2[i]), size, colours[state.colour](v), data.label[v], data.test[v]);
            beyond += outside([data.pc1[i]], rangeX) + outside([data.pc2[i]], rangeY);
        }
        element('explore-outside').textContent = atEdge(beyond);
        picture.width = plane.width;
        picture.height = plane.height;
        picture.getContext('2d').drawImage(plane, 0, 0);
        drawn = wanted;
    } else {
        view.context.drawImage(picture, 0, 0, view.width, view.height);
    }
    if (state.chosen >= 0) drawPath(state.chosen);
    if (state.hover >= 0 && placed(state.hover, state.epoch)) ring(state.hover, state.epoch, 8);
}
function ring(v, e, size) {
    view.context.lineWidth = 2.5;
    view.context.strokeStyle = '#000';
    view.context.beginPath();
    view.context.arc(view.toX(data.pc1[at(v, e)]), view.toY(data.pc2[at(v, e)]), size, 0, 2 * Math.PI);
    view.context.stroke();
}
function drawPath(v) {
    const known = data.epochs.map((_, e) => e).filter(e => placed(v, e)), points = known.map(e => [view.toX(data.pc1[at(v, e)]), view.toY(data.pc2[at(v, e)])]);
    view.context.lineWidth = 2.5;
    line(view.context, points, '#000');
    points.forEach(([x, y], i) => {
        mark(view.context, x, y, 4, '#000', true, true);
        if (i > 0 && i < points.length - 1) return;
        const epoch = String(data.epochs[known[i]]);
        view.context.strokeStyle = '#fff';  // stands out from the marks below it
        view.context.lineWidth = 4;
        view.context.textAlign = 'left';
        view.context.strokeText(epoch, x + 7, y - 7);
        text(view.context, epoch, x + 7, y - 7, 'left');
    });
}
function drawSpectrum(v) {
    const all = data.epochs.map((_, e) => exponents(v, e)), values = all.flat().filter(Number.isFinite), frame = prepare(spectrum);
    const range = values.length ? fence(values.concat([0])) : [-1, 1];
    axes(frame, [1, Math.max(2, data.dimension[v])], range, 'index of the exponent, largest first', 'exponent (nats per step)');
    all.forEach((list, e) => {
        const place = i => frame.toX(list.length > 1 ? 1 + i * (data.dimension[v] - 1) / (list.length - 1) : 1);
        frame.context.lineWidth = e === state.epoch ? 3 : 1.5;
        const points = list.map((x, i) => [place(i), x]).filter(([, x]) => Number.isFinite(x)).map(([i, x]) => [i, frame.toY(x)]);
        line(frame.context, points, gradient(E > 1 ? .9 * e / (E - 1) : 0), e === state.epoch ? [] : [5, 3]);
    });
    element('explore-drawn').textContent = notDrawn(v) + atEdge(outside(values, range));
}
// What the curves do not show.
function notDrawn(v) {
    const infinite = data.infinite[at(v, state.epoch)], drawn = Math.min(P, data.dimension[v]);
    return (infinite ? infinite + ' of ' + data.dimension[v] + ' are minus infinity and not drawn. ' : '') +
        (drawn < data.dimension[v] ? 'Curves are thinned: ' + drawn + ' points of ' + data.dimension[v] + ' exponents. ' : '');
}

// --- words ---
const words = v => 'Network ' + data.variant[v] + ': ' + data.cells[data.cell[v]] + ', ' + data.hidden[v] + ' units, ' + data.initName + ' = ' + number(data.init[v]) +
    ', seed ' + data.seed[v] + ', ' + data.lossName + ' ' + number(data.loss[v]) + ' (' + (data.label[v] ? 'high' : 'low') + ' accuracy), ' + data.statuses[data.status[v]] +
    (data.test[v] ? ', test network' : '');
function say(v) {
    element('explore-words').textContent = v < 0 ? 'No network is pointed at.' : words(v) + '.';
    const tip = element('explore-tip');
    tip.hidden = v < 0 || !placed(v, state.epoch);
    if (tip.hidden) return;
    tip.textContent = words(v);
    const [x, y] = screen(v), left = x > view.width / 2;
    tip.style.top = Math.max(0, y - 20) + 'px';
    tip.style.left = left ? '' : x + 16 + 'px';
    tip.style.right = left ? view.width - x + 16 + 'px' : '';
}
function choose(v) {
    state.chosen = v;
    element('explore-chosen').hidden = v < 0;
    if (v >= 0) {
        element('explore-title').textContent = words(v);
        const body = element('explore-epochs');
        body.replaceChildren(...data.epochs.map((epoch, e) => {
            const row = document.createElement('tr'), i = at(v, e);
            const infinite = data.infinite[i] + ' of ' + data.dimension[v];
            [epoch, data.pc1[i], data.pc2[i], data.max[i], data.mean[i], infinite].forEach((value, i) => {
                const cell = document.createElement(i ? 'td' : 'th');
                cell.textContent = typeof value === 'string' || !i ? value : number(value);
                row.append(cell);
            });
            return row;
        }));
        drawSpectrum(v);
    }
    drawPlane();
}
function point(v) {
    if (v === state.hover) return;
    state.hover = v;
    say(v);
    drawPlane();
}
function legend() {
    element('explore-legend').replaceChildren(...legends[state.colour]().map(([colour, name]) => {
        const item = document.createElement('li'), swatch = document.createElement('span');
        swatch.style.background = colour;
        item.append(swatch, name);
        return item;
    }));
}

// --- pointer and keyboard ---
function screen(v) { return [view.toX(data.pc1[at(v, state.epoch)]), view.toY(data.pc2[at(v, state.epoch)])]; }
function best(cost, limit) {
    let found = -1, least = limit;
    for (let v = 0; v < V; ++v) {
        if (!placed(v, state.epoch)) continue;
        const value = cost(v);
        if (value < least) least = value, found = v;
    }
    return found;
}
const under = event => best(v => Math.hypot(screen(v)[0] - event.offsetX, screen(v)[1] - event.offsetY), 14);
plane.addEventListener('pointermove', event => point(under(event)));
plane.addEventListener('pointerleave', () => point(-1));
plane.addEventListener('click', event => { const v = under(event); point(v); choose(v); });
const directions = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
// The nearest network in that direction: what lies aside counts threefold.
function neighbour([dx, dy]) {
    const [x, y] = screen(state.hover);
    return best(v => {
        const along = (screen(v)[0] - x) * dx + (screen(v)[1] - y) * dy, aside = Math.abs((screen(v)[0] - x) * dy) + Math.abs((screen(v)[1] - y) * dx);
        return v === state.hover || along <= 0 || aside > 2 * along ? Infinity : along + 3 * aside;
    }, Infinity);
}
plane.addEventListener('keydown', event => {
    const none = state.hover < 0 || !placed(state.hover, state.epoch);
    if (event.key in directions) {
        const next = none ? best(v => data.pc1[at(v, state.epoch)], Infinity) : neighbour(directions[event.key]);
        if (next >= 0) point(next);
    } else if (event.key === 'Home') point(best(v => data.pc1[at(v, state.epoch)], Infinity));
    else if (event.key === 'End') point(best(v => -data.pc1[at(v, state.epoch)], Infinity));
    else if ((event.key === 'Enter' || event.key === ' ') && !none) choose(state.hover);
    else if (event.key === 'Escape') { point(-1); choose(-1); }
    else return;
    event.preventDefault();
});
function redraw() {
    drawPlane();
    say(state.hover);  // the place of its network has changed
    if (state.chosen >= 0) drawSpectrum(state.chosen);
}
element('explore-epoch').addEventListener('change', event => { state.epoch = Number(event.target.value); redraw(); });
element('explore-colour').addEventListener('change', event => { state.colour = event.target.value; legend(); drawPlane(); });
element('explore-network').addEventListener('change', event => {
    // What is no number reads as an empty value, and so would be network 0.
    const none = event.target.value === '' && !event.target.validity.badInput;
    const v = event.target.value === '' ? -1 : data.variant.indexOf(Number(event.target.value));
    event.target.setCustomValidity(v < 0 && !none ? 'no such network' : '');
    event.target.reportValidity();
    if (v >= 0 || none) { point(v); choose(v); }
});
window.addEventListener('resize', redraw);

data.epochs.forEach((epoch, e) => element('explore-epoch').add(new Option(epoch === 0 ? 'before training' : 'after epoch ' + epoch, e, e === E - 1, e === E - 1)));
element('explore-statistics').textContent = 'Largest and mean exponent in ' + data.unit + ', as the analysis takes them' +
    (data.floor ? ': all below ' + data.floor + ', minus infinity too, raised to it.' : '.');
element('explore').hidden = false;
legend();
drawPlane();
})();
