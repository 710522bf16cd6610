//! `docs/faults.md`, as what came out.

use std::{fs, path::Path};

use crate::{asking::Outcome, rooms::Room};

/// What came of one fault in one room.
#[derive(Debug)]
pub(crate) struct Cell {
    fault: String,
    room: Room,
    outcome: String,
    message: Option<String>,
}

impl Cell {
    pub(crate) fn new(fault: &str, room: Room, outcome: Outcome) -> Self {
        Self {
            fault: fault.to_owned(),
            room,
            outcome: format!("`{}`", outcome.kind),
            message: Some(outcome.message),
        }
    }

    pub(crate) fn right(fault: &str, room: Room) -> Self {
        Self {
            fault: fault.to_owned(),
            room,
            outcome: "the value".to_owned(),
            message: None,
        }
    }

    pub(crate) fn sometimes_right(fault: &str, room: Room) -> Self {
        let outcome = "the value, or `Unavailable`".to_owned();
        Self {
            outcome,
            ..Self::right(fault, room)
        }
    }
}

/// The page, as text.
pub(crate) struct Page(String);

impl Page {
    /// The page of these cells, whose faults stand in their order.
    pub(crate) fn of(cells: &[Cell]) -> Self {
        Self([HEAD, &table(cells), MESSAGES, &messages(cells)].concat())
    }

    /// Asserts that the page is what it was, or writes it anew where that is wanted.
    pub(crate) fn compare_or_write(&self) {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
        if std::env::var_os("WRITE_FAULTS").is_some() {
            fs::write(&page, &self.0).unwrap();
        }
        let written = fs::read_to_string(&page).unwrap_or_default();
        for (now, then) in self.0.lines().zip(written.lines()) {
            assert_eq!(now, then, "docs/faults.md says otherwise; {REMEDY}");
        }
        assert_eq!(
            self.0, written,
            "docs/faults.md has another length; {REMEDY}"
        );
    }
}

const REMEDY: &str = "if the change is meant, write it anew: \
                      WRITE_FAULTS=1 cargo test --workspace --all-features --test faults";

const HEAD: &str = "\
# Faults

What a lookup gives while its source fails. A test (`tests/servers/faults/`) brings about each fault
before a real server of each source, and writes this page; `scripts/test` fails where anything else
comes out. Azure's Key Vault and Astro's platform are the stand-ins of the tests. What no server answers on
demand comes from a small HTTP server in its place.

- A cell is the `ErrorKind`. None is `NotFound`: no fault makes a source say that it does not define the
  variable.
- Each lookup was made with `within(1 s)`, and ended no later than 100 ms after that.
- The source had answered before, and gave the right value to the next lookup after the fault. Astro's is
  the first one after the pause of about a second in which its list is not asked for again.
- Sources that are asked by HTTP repeated a request twice at most, after pauses of some milliseconds,
  and nine times where 5 % of the connections were reset.

";

const MESSAGES: &str = "
## Messages

What the source says in the error and in the report. `PORT` and `N` differ each time.
";

fn table(cells: &[Cell]) -> String {
    let titles = Room::ALL.map(Room::title).join(" | ");
    let mut table = format!(
        "| fault | {titles} |\n|---{}|\n",
        "|---".repeat(Room::ALL.len())
    );
    let mut faults: Vec<&str> = cells.iter().map(|cell| &*cell.fault).collect();
    faults.dedup();
    for fault in faults {
        table += &format!("| {fault} |");
        for room in Room::ALL {
            let mut cells = cells.iter();
            let cell = cells.find(|cell| cell.fault == fault && cell.room == room);
            table += &format!(" {} |", cell.map_or("", |cell| &cell.outcome));
        }
        table += "\n";
    }
    table
}

fn messages(cells: &[Cell]) -> String {
    let mut text = String::new();
    for room in Room::ALL {
        text += &format!("\n### {}\n\n| message | fault |\n|---|---|\n", room.title());
        // Each once, in the order of the faults.
        let mut messages: Vec<(&str, Vec<&str>)> = Vec::new();
        for cell in cells.iter().filter(|cell| cell.room == room) {
            let Some(message) = cell.message.as_deref() else {
                continue;
            };
            match messages.iter_mut().find(|(known, _)| *known == message) {
                Some((_, faults)) => faults.push(&cell.fault),
                None => messages.push((message, vec![&cell.fault])),
            }
        }
        for (message, faults) in messages {
            let message = message.replace('|', "\\|");
            text += &format!("| `` {message} `` | {} |\n", faults.join(", "));
        }
    }
    text
}
