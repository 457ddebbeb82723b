//! Kinds of breach, as data: each rule's file lists its own, with a sentence for each.

/// One way in which a rule can be broken.
///
/// The id is stable: kept plans, soaks and reports name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BreachKind {
    /// Its name in reports.
    pub id: &'static str,
    /// What was seen, in one sentence.
    pub words: &'static str,
}

/// Declares the kinds of a rule: a constant for each, which a breach names, and the table of them
/// all. A constant has no other way to come to be, so the table lacks none.
macro_rules! kinds {
    ($table:ident: $($name:ident = $id:literal, $words:literal;)+) => {
        $(
            const $name: crate::invariant::BreachKind = crate::invariant::BreachKind {
                id: $id,
                words: $words,
            };
        )+
        /// Every kind of breach of the rule.
        pub(super) const $table: &[crate::invariant::BreachKind] = &[$($name),+];
    };
}

pub(super) use kinds;
