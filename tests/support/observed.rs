//! An observer that writes down what it is told, a line each, without times.

use std::sync::{Arc, Mutex};

use airflow_secrets::observer::{
    AnswerEvent, Asking, AttemptEvent, BreakerEvent, CacheEvent, LoginEvent, Observer,
};

#[derive(Debug, Clone, Default)]
pub(crate) struct Observed(Arc<Mutex<Vec<String>>>);

impl Observed {
    /// What was told since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

fn asked(asked: &Asking<'_>) -> String {
    let team = asked.team.map(|team| format!(" of {team}"));
    let (kind, id) = (asked.kind.as_str(), asked.id);
    format!("{kind} {id}{}", team.unwrap_or_default())
}

impl Observer for Observed {
    fn began(&self, event: &Asking<'_>) {
        self.write(format!("{}: began", asked(event)));
    }

    fn attempt(&self, event: &AttemptEvent<'_>) {
        self.write(format!("{}: {}", asked(&event.asked), event.attempt));
    }

    fn answer(&self, event: &AnswerEvent<'_>) {
        let source = event.ending.source().map(|source| format!(" {source}"));
        let (asked, ending) = (asked(&event.asked), event.ending.as_str());
        self.write(format!(
            "{asked}: ended {ending}{}",
            source.unwrap_or_default()
        ));
    }

    fn cache(&self, event: &CacheEvent<'_>) {
        self.write(format!(
            "{}: cache {}",
            asked(&event.asked),
            event.what.as_str()
        ));
    }

    fn login(&self, event: &LoginEvent<'_>) {
        self.write(format!("{}: login {}", event.backend, event.outcome()));
    }

    fn breaker(&self, event: &BreakerEvent<'_>) {
        let (before, state) = (event.before.as_str(), event.state.as_str());
        self.write(format!("{}: {before} to {state}", event.backend));
    }
}
