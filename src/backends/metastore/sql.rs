//! The SQL: the same for every engine but for how a parameter is written.

use super::driver::{Select, Table, Visible};

/// How an engine writes parameters.
pub(super) trait Syntax {
    /// Writes the next parameter, which holds `value`.
    fn parameter(&mut self, sql: &mut String, value: &str);

    /// Writes that `column` is one of `values`; there are at least two.
    fn one_of(&mut self, sql: &mut String, values: &[&str]) {
        sql.push_str("IN (");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                sql.push_str(", ");
            }
            self.parameter(sql, value);
        }
        sql.push(')');
    }
}

/// The statement for `select`, its tables in `schema`, which is already quoted for the engine.
///
/// Every column is qualified: no word of it is then a keyword, and SQLite never reads a column
/// that is missing as a text.
pub(super) fn statement(
    select: &Select<'_>,
    schema: Option<&str>,
    syntax: &mut dyn Syntax,
) -> String {
    let mut sql = String::with_capacity(256);
    sql.push_str("SELECT ");
    for (index, column) in select.table.columns().iter().enumerate() {
        sql.push_str(if index == 0 { "t." } else { ", t." });
        sql.push_str(column);
    }
    sql.push_str(" FROM ");
    if let Some(schema) = schema {
        sql.push_str(schema);
        sql.push('.');
    }
    sql.push_str(select.table.name());
    sql.push_str(" AS t WHERE t.");
    sql.push_str(select.table.id_column());
    let single = match select.ids {
        [id] => {
            sql.push_str(" = ");
            syntax.parameter(&mut sql, id);
            true
        }
        ids => {
            sql.push(' ');
            syntax.one_of(&mut sql, ids);
            false
        }
    };
    match select.visible {
        Visible::All => {}
        Visible::Global => sql.push_str(" AND t.team_name IS NULL"),
        Visible::Team(team) => {
            sql.push_str(" AND (t.team_name = ");
            syntax.parameter(&mut sql, team);
            sql.push_str(" OR t.team_name IS NULL)");
        }
    }
    if single {
        sql.push_str(" LIMIT 1");
    }
    sql
}

/// Where a person finds the row: what they would type after `SELECT * FROM`.
pub(super) fn native_key(table: Table, schema: Option<&str>, id: &str) -> String {
    let mut key = String::with_capacity(id.len() + 48);
    if let Some(schema) = schema {
        key.push_str(schema);
        key.push('.');
    }
    key.push_str(table.name());
    key.push_str(" WHERE ");
    key.push_str(table.id_column());
    key.push_str(" = '");
    for part in id.split_inclusive('\'') {
        key.push_str(part);
        if part.ends_with('\'') {
            key.push('\'');
        }
    }
    key.push('\'');
    key
}
