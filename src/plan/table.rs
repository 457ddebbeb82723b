//! The tables: from one row come a variant, its name, its text form, and whom it concerns.
//!
//! What differs from row to row is a plain value. A variant without a row cannot be written, and
//! each generated `match` is exhaustive.

/// Words without arguments: `Variant = "word" "what it is"`. `few` are those that are tried where
/// not all are.
macro_rules! words {
    ($(#[$meta:meta])* $type:ident ($what:literal $(, few $($few:ident),+)?) {
        $($variant:ident = $word:literal $about:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $type {
            $(#[doc = $about] #[serde(rename = $word)] $variant),+
        }

        impl $type {
            /// All of them, in their order.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// What it is, in a sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::plan::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::plan::UnknownWord),
                }
            }
        }

        impl crate::plan::argument::Word for $type {
            const WHAT: &'static str = $what;
            const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];

            $(fn is_tried(self) -> bool {
                matches!(self, $(Self::$few)|+)
            })?
        }
    };
}

/// Things with arguments: `"name" Variant(argument: Type) = "what it is", row`, or with braces for
/// arguments that have names in the code. `as Form` says how an argument is written, where its type
/// alone does not.
macro_rules! table {
    ($(#[$meta:meta])* $type:ident, $(#[$kind_meta:meta])* $kind:ident, $row_type:ident {
        $($name:literal $variant:ident
            $(( $($t:ident: $tuple:ty $(as $tuple_form:ident)?),+ ))?
            $({ $($(#[$field_meta:meta])* $s:ident: $field:ty $(as $field_form:ident)?),+ })?
            = $about:literal, $row:expr;)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $type {
            $(#[doc = $about]
            $variant $(( $($tuple),+ ))? $({ $($(#[$field_meta])* $s: $field),+ })?),+
        }

        $(#[$kind_meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $kind {
            $(#[doc = $about] $variant),+
        }

        impl $kind {
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name in a plan, without arguments.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it is, in a sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),+ }
            }

            /// How it is written in a plan: its name, then its arguments.
            pub fn usage(self) -> String {
                let arguments: Vec<String> = match self {
                    $(Self::$variant => vec![
                        $($(<form!($tuple $(, $tuple_form)?) as Form>::usage()),+)?
                        $($(<form!($field $(, $field_form)?) as Form>::usage()),+)?
                    ]),+
                };
                let words: Vec<&str> = std::iter::once(self.name())
                    .chain(arguments.iter().map(String::as_str))
                    .collect();
                words.join(" ")
            }

            /// The rest of its row in the table.
            pub const fn row(self) -> &'static $row_type {
                match self {
                    $(Self::$variant => { const ROW: $row_type = $row; &ROW }),+
                }
            }

            /// The kind of this name; of those that share it, the one whose first argument can be
            /// the next word.
            pub(super) fn named(name: &str, next: Option<&str>) -> Option<Self> {
                let named = || Self::ALL.into_iter().filter(|kind| kind.name() == name);
                named()
                    .find(|kind| next.is_some_and(|next| kind.fits(next)))
                    .or_else(|| named().next())
            }

            fn fits(self, next: &str) -> bool {
                let forms: &[fn(&str) -> bool] = match self {
                    $(Self::$variant => &[
                        $($(<form!($tuple $(, $tuple_form)?) as Form>::fits),+)?
                        $($(<form!($field $(, $field_form)?) as Form>::fits),+)?
                    ]),+
                };
                forms.first().is_none_or(|fits| fits(next))
            }

            /// Reads the arguments.
            #[allow(unused_variables, reason = "a kind may have no argument")]
            pub(super) fn read(
                self,
                words: &mut crate::plan::line::Words<'_>,
                plan: &crate::plan::Plan,
            ) -> Result<$type, crate::plan::ParseError> {
                Ok(match self {
                    $(Self::$variant => $type::$variant
                        $(( $(<form!($tuple $(, $tuple_form)?) as Form>::read(words, plan)?),+ ))?
                        $({ $($s: <form!($field $(, $field_form)?) as Form>::read(words, plan)?),+ })?),+
                })
            }

            /// Everything of this kind that concerns so much, with so many arguments.
            pub fn each(self, variety: Variety, scope: Scope<'_>) -> Vec<$type> {
                let mut all = Vec::new();
                match self {
                    $(Self::$variant => {
                        for ($($($t,)+)? $($($s,)+)?) in Product::of((
                            $($(<form!($tuple $(, $tuple_form)?) as Form>::values(variety, scope),)+)?
                            $($(<form!($field $(, $field_form)?) as Form>::values(variety, scope),)+)?
                        )) {
                            all.push($type::$variant $(( $($t),+ ))? $({ $($s),+ })?);
                        }
                    }),+
                }
                all.retain(|of| scope.has(of.subject()));
                all
            }
        }

        impl $type {
            /// The kind, which has a row in the table.
            pub const fn kind(&self) -> $kind {
                match self { $(Self::$variant { .. } => $kind::$variant),+ }
            }

            /// The name in a plan, without arguments.
            pub const fn name(&self) -> &'static str {
                self.kind().name()
            }

            /// Whom it concerns.
            pub fn subject(&self) -> Subject<'_> {
                match self {
                    $(Self::$variant $(( $($t),+ ))? $({ $($s),+ })? => {
                        let subjects: &[Subject<'_>] = &[
                            $($(<form!($tuple $(, $tuple_form)?) as Form>::subject($t)),+)?
                            $($(<form!($field $(, $field_form)?) as Form>::subject($s)),+)?
                        ];
                        let named = subjects.iter().find(|subject| **subject != Subject::All);
                        named.copied().unwrap_or(Subject::All)
                    }),+
                }
            }

            /// What it names, to put another in its place.
            pub fn name_mut(&mut self) -> Option<NameMut<'_>> {
                match self {
                    $(Self::$variant $(( $($t),+ ))? $({ $($s),+ })? => {
                        None
                            $($(.or(<form!($tuple $(, $tuple_form)?) as Form>::name_mut($t)))+)?
                            $($(.or(<form!($field $(, $field_form)?) as Form>::name_mut($s)))+)?
                    }),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())?;
                match self {
                    $(Self::$variant $(( $($t),+ ))? $({ $($s),+ })? => {
                        $($(<form!($tuple $(, $tuple_form)?) as Form>::print($t, f)?;)+)?
                        $($(<form!($field $(, $field_form)?) as Form>::print($s, f)?;)+)?
                    }),+
                }
                Ok(())
            }
        }
    };
}

/// How an argument of a type is written: as the type says, or in a form that is named.
macro_rules! form {
    ($type:ty) => {
        $type
    };
    ($type:ty, $form:ident) => {
        $form
    };
}

pub(super) use {form, table, words};
