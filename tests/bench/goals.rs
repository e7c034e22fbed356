//! The goals of the design, each against what this run measured. A goal whose cells were not measured is left out.

use crate::{
    cell::{Cell, RELAY, Waits},
    inprocess, reference,
    run::Run,
};
use serde::Serialize;

/// One number.
#[derive(Debug, Clone, Serialize)]
pub struct Goal {
    /// What is looked at.
    pub name: String,
    /// What is wanted of it.
    pub goal: String,
    /// What it is.
    pub value: f64,
    /// Whether that is enough.
    pub met: bool,
    /// What no arrangement of ours can go below or above, as far as this run shows it: what the floor server and its relay do
    /// there, and what a recorded call takes besides.
    pub floor: Option<f64>,
}

const ONE_DURABLE: &str = "durable p50 of one caller over append + fdatasync";
/// Peers, and how many times as many calls are wanted.
const PEERS: [(&str, f64); 2] = [
    ("ssh-agent Ed25519", 20.0),
    ("OpenBao transit ed25519", 12.0),
];

fn over_peer(mode: &str, peer: &str, callers: usize) -> String {
    format!("{mode} calls over {peer}, {callers} callers each")
}

fn over(mode: &str, shape: &str) -> String {
    format!("{mode} enclave CPU over the floor's, {shape}")
}

struct Goals<'a> {
    run: &'a Run,
    found: Vec<Goal>,
}

/// Every goal that this run can judge.
pub fn judge(run: &Run) -> Vec<Goal> {
    let mut goals = Goals {
        run,
        found: Vec::new(),
    };
    goals.enclave();
    goals.throughput();
    goals.durable();
    goals.sidecar();
    goals.tails();
    goals.sizes();
    goals.peers();
    goals.floors();
    goals.found
}

impl Goals<'_> {
    fn cell(&self, name: &str, callers: usize, depth: usize) -> Option<&Cell> {
        let mut cells = self.run.cells.iter();
        cells.find(|cell| cell.name == name && cell.callers == callers && cell.depth == depth)
    }

    fn at_most(&mut self, name: &str, limit: f64, unit: &str, value: Option<f64>) {
        let Some(value) = value else { return };
        self.found.push(Goal {
            name: name.to_owned(),
            goal: format!("<= {limit} {unit}"),
            value,
            met: value <= limit,
            floor: None,
        });
    }

    fn at_least(&mut self, name: &str, limit: f64, unit: &str, value: Option<f64>) {
        let Some(value) = value else { return };
        self.found.push(Goal {
            name: name.to_owned(),
            goal: format!(">= {limit} {unit}"),
            value,
            met: value >= limit,
            floor: None,
        });
    }

    /// The floor of the goal with this name.
    fn floor(&mut self, name: &str, floor: Option<f64>) {
        if let Some(goal) = self.found.iter_mut().find(|goal| goal.name == name) {
            goal.floor = floor;
        }
    }

    /// What the floor server behind its relay does, besides what it is compared with already.
    fn floors(&mut self) {
        let closed = self.cell("floor behind a relay", 8, 1).cloned();
        let piped = self.cell("floor behind a relay", 8, 16).cloned();
        let (Some(closed), Some(piped)) = (closed, piped) else {
            return;
        };
        for mode in ["volatile", "durable"] {
            let few = self.least(mode, &closed);
            self.floor(&format!("{mode} enclave CPU, 8 callers"), few);
            self.floor(
                &over(mode, "8 callers"),
                few.map(|us| us / closed.cpu("floor")),
            );
            let many = self.least(mode, &piped);
            self.floor(&format!("{mode} enclave CPU, 8 x 16"), many);
            self.floor(
                &over(mode, "8 x 16"),
                many.map(|us| us / piped.cpu("floor")),
            );
            let post = format!("{mode} enclave CPU of a POST with 256 B, 8 x 16");
            let body = self.run.post_us - self.run.primitives_us;
            self.floor(&post, many.map(|us| us + body));
        }
        let few = self.most("volatile", &closed);
        self.floor("volatile calls, 8 callers", few);
        self.floor("volatile calls, 8 x 16", self.most("volatile", &piped));
        self.floor("relay CPU, 8 callers", Some(closed.cpu("relay")));
        self.floor("relay CPU, 8 x 16", Some(piped.cpu("relay")));
        let alone = self
            .cell("floor behind a relay", 1, 1)
            .map(|cell| cell.issued.p50_us);
        // Its round trip, that of the exchange with the store, without the signature, and the append itself.
        let store = self.cell("floor", 1, 1);
        let store = store.map(|cell| cell.issued.p50_us - self.run.primitive_us);
        let append = self.run.append.as_ref().map(|append| append.p50_us);
        let all = alone.zip(store).zip(append);
        let all = all.map(|((alone, store), append)| (alone + store + append) / append);
        self.floor(ONE_DURABLE, all);
        let waiting = self.cell("floor behind a relay", 64, 1).cloned();
        let durable = waiting.and_then(|waiting| self.most("durable", &waiting));
        for (peer, _) in PEERS {
            for (mode, callers, ours) in [("volatile", 8, few), ("durable", 64, durable)] {
                let theirs = self.cell(peer, callers, 1).map(|cell| cell.per_s);
                let times = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
                self.floor(&over_peer(mode, peer, callers), times);
            }
        }
    }

    /// CPU below which the enclave does not decide and record a call in this shape: what the floor server takes there besides
    /// its own answer, and what a call's steps take, each alone: primitives, parsing, the core, what is made and what is
    /// written. And the call's share of its entry: a signature, and one exchange with the store, which costs no less than one
    /// that the floor server has.
    fn least(&self, mode: &str, floor: &Cell) -> Option<f64> {
        let run = self.run;
        let ours = self.cell(&format!("{mode} GET"), floor.callers, floor.depth)?;
        let exchange = self.cell("floor", 8, 1)?.cpu("floor") - run.floor_us;
        let entry = (run.primitive_us + exchange) / ours.records_in_entry?;
        let steps = [
            inprocess::PARSE,
            inprocess::ALLOW,
            reference::MADE,
            reference::RECORD,
            reference::ANSWER,
        ];
        let mut own = run.primitives_us;
        for step in steps {
            own += run.inside(step)?;
        }
        Some(floor.cpu("floor") - run.floor_us + own + entry)
    }

    /// Calls a second that the floor server would answer in this shape if each took what a recorded call takes at least, and the
    /// load and the store what they take.
    fn most(&self, mode: &str, floor: &Cell) -> Option<f64> {
        let ours = self.cell(&format!("{mode} GET"), floor.callers, floor.depth)?;
        let enclave = self.least(mode, floor)?;
        let store = ours.cpu("host") - ours.cpu(RELAY);
        let needed = enclave + floor.cpu("relay") + store + ours.cpu("load");
        let all: f64 = ["floor", "relay", "load"]
            .map(|name| floor.cpu(name))
            .iter()
            .sum();
        Some(floor.per_s * all / needed)
    }

    fn enclave(&mut self) {
        for mode in ["volatile", "durable"] {
            let of = |what: &str| format!("{mode} {what}");
            let cpu = |cell: Option<&Cell>| cell.map(|cell| cell.cpu("enclave"));
            let floor = |cell: Option<&Cell>| cell.map(|cell| cell.cpu("floor"));
            let closed = cpu(self.cell(&of("GET"), 8, 1));
            let piped = cpu(self.cell(&of("GET"), 8, 16));
            let post = cpu(self.cell(&of("POST 256 B"), 8, 16));
            let behind = floor(self.cell("floor behind a relay", 8, 1));
            let batched = floor(self.cell("floor behind a relay", 8, 16));
            let times = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
            self.at_most(&of("enclave CPU, 8 callers"), 21.0, "µs", closed);
            self.at_most(&over(mode, "8 callers"), 1.3, "x", times(closed, behind));
            self.at_most(&of("enclave CPU, 8 x 16"), 12.5, "µs", piped);
            self.at_most(&over(mode, "8 x 16"), 1.3, "x", times(piped, batched));
            self.at_most(
                &of("enclave CPU of a POST with 256 B, 8 x 16"),
                14.0,
                "µs",
                post,
            );
        }
    }

    fn throughput(&mut self) {
        let (closed, piped) = (
            self.cell("volatile GET", 8, 1),
            self.cell("volatile GET", 8, 16),
        );
        let per_s = |cell: Option<&Cell>| cell.map(|cell| cell.per_s);
        let host = |cell: Option<&Cell>| cell.map(|cell| cell.cpu(RELAY));
        let (a, b, c, d) = (per_s(closed), per_s(piped), host(closed), host(piped));
        self.at_least("volatile calls, 8 callers", 50_000.0, "/s", a);
        self.at_least("volatile calls, 8 x 16", 100_000.0, "/s", b);
        self.at_most("relay CPU, 8 callers", 6.0, "µs", c);
        self.at_most("relay CPU, 8 x 16", 1.0, "µs", d);
    }

    fn durable(&mut self) {
        let many = self.cell("durable GET", 64, 1).cloned();
        self.at_least(
            "durable calls, 64 callers",
            20_000.0,
            "/s",
            many.as_ref().map(|cell| cell.per_s),
        );
        let p50 = many.as_ref().map(|cell| cell.issued.p50_us / 1e3);
        self.at_most("durable p50, 64 callers", 3.0, "ms", p50);
        let one = self
            .cell("durable GET", 1, 1)
            .map(|cell| cell.issued.p50_us);
        let over = one
            .zip(self.run.append.as_ref())
            .map(|(one, append)| one / append.p50_us);
        self.at_most(ONE_DURABLE, 2.0, "x", over);
    }

    fn sidecar(&mut self) {
        let piped = self.cell("durable sidecar", 8, 16).map(|cell| cell.per_s);
        self.at_least("calls over HTTP, 8 x 16 pipelined", 20_000.0, "/s", piped);
        let Some(added) = &self.run.added else { return };
        let over = |waits: &Waits| waits.p50_us - added.alone.p50_us;
        let (sidecar, copied) = (over(&added.sidecar), over(&added.copied));
        // Any process there adds as much as one that copies bytes; this one checks what it hands on.
        let checks = self.run.checkpoint_us + self.run.handled_us;
        let name = "what the sidecar adds to p50, one caller";
        self.at_most(name, 100.0, "µs", Some(sidecar));
        self.floor(name, Some(copied + checks));
    }

    fn tails(&mut self) {
        let many = self.cell("durable GET", 64, 1);
        let tail = many.map(|cell| cell.issued.p99_us / cell.issued.p50_us);
        self.at_most("durable p99 over p50, 64 callers", 3.0, "x", tail);
        for (callers, depth) in [(8, 1), (8, 16)] {
            let yes = self.cell("durable GET", callers, depth);
            let no = self.cell("durable denial", callers, depth);
            let both = yes.zip(no);
            let cpu = both.map(|(yes, no)| no.cpu("enclave") / yes.cpu("enclave"));
            let p50 = both.map(|(yes, no)| no.denied.p50_us / yes.issued.p50_us);
            let shape = format!("{callers} x {depth}");
            self.at_most(
                &format!("enclave CPU of a denial over an allow's, {shape}"),
                1.0,
                "x",
                cpu,
            );
            self.at_most(
                &format!("p50 of a denial over an allow's, {shape}"),
                1.0,
                "x",
                p50,
            );
        }
        let overload = self.cell("durable overload", 4, 256);
        let refused = overload.filter(|cell| cell.refused.count > 0);
        let p99 = refused.map(|cell| cell.refused.p99_us / 1e3);
        let name = "p99 of refusals under overload";
        self.at_most(name, 1.0, "ms", p99);
        // There all that is denied is what the floor server refuses.
        let floor = self.cell("durable overload beside the floor", 4, 256);
        self.floor(name, floor.map(|cell| cell.denied.p99_us / 1e3));
        for fair in self.run.fair.clone() {
            let name = format!("{} calls left to others by a flooding agent", fair.mode);
            self.at_least(&name, 0.9, "x", Some(fair.ratio));
        }
    }

    fn sizes(&mut self) {
        let hot = self.cell("durable GET, 1 budget", 4, 4);
        let cold = self.cell("durable GET, 4 budgets", 4, 4);
        let ratio = hot.zip(cold).map(|(hot, cold)| hot.per_s / cold.per_s);
        self.at_least("one hot budget over separate ones", 0.9, "x", ratio);
        let mib = |kib: u64| kib as f64 / 1024.0;
        let grants = self.run.grants.clone();
        let [few, agents, .., last] = &grants[..] else {
            return;
        };
        self.at_most(
            "enclave memory, 1,000 agents",
            16.0,
            "MiB",
            Some(mib(agents.enclave_kib)),
        );
        let count = last.grants;
        let cost = Some(last.enclave_us / few.enclave_us);
        self.at_most(
            &format!("enclave memory, {count} grants, 1,000 channels"),
            64.0,
            "MiB",
            Some(mib(last.enclave_kib)),
        );
        self.at_most(
            &format!("enclave CPU of a call, {count} grants over 100"),
            1.2,
            "x",
            cost,
        );
    }

    /// A peer answers before anything is durable, and is compared with what does; then with what does not.
    fn peers(&mut self) {
        for (peer, times) in PEERS {
            for (mode, callers) in [("volatile", 8), ("durable", 64)] {
                let per_s = |cell: Option<&Cell>| cell.map(|cell| cell.per_s);
                let ours = per_s(self.cell(&format!("{mode} GET"), callers, 1));
                let theirs = per_s(self.cell(peer, callers, 1));
                let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
                self.at_least(&over_peer(mode, peer, callers), times, "x", ratio);
            }
        }
    }
}

/// Cores kept busy by others above which a cell counts as disturbed.
pub const DISTURBED: f64 = 0.3;

/// Prints them, and how far they can be believed.
pub fn print(run: &Run) {
    let goals = judge(run);
    let disturbed = run.cells.iter().filter(|cell| cell.others > DISTURBED);
    let (disturbed, all) = (disturbed.count(), run.cells.len());
    if disturbed > 0 {
        println!(
            "\n{disturbed} of {all} cells were measured while other work kept more than {DISTURBED} cores busy: their times say little"
        );
    }
    println!(
        "\n{:<64} {:>16} {:>12} {:>12}  met",
        "goal", "wanted", "found", "floor"
    );
    for goal in &goals {
        let met = if goal.met { "yes" } else { "NO" };
        let floor = goal
            .floor
            .map_or_else(String::new, |floor| format!("{floor:.2}"));
        println!(
            "{:<64} {:>16} {:>12.2} {floor:>12}  {met}",
            goal.name, goal.goal, goal.value
        );
    }
}
