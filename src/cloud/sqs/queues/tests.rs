use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const MAIN: &str = "main.fifo";
const DEAD: &str = "dead.fifo";
const MOST_RECEIVES: u32 = 2;

#[derive(Clone, Debug)]
enum Op {
    Send {
        group: u8,
        id: u8,
    },
    Receive {
        dead: bool,
        most: usize,
        visibility: u64,
    },
    /// Deletes by one of the receipts that there were.
    Delete {
        receipt: prop::sample::Index,
    },
    Extend {
        receipt: prop::sample::Index,
        visibility: u64,
    },
    Wait {
        seconds: u64,
    },
    Redrive,
}

fn op() -> impl Strategy<Value = Op> {
    let visibility = prop_oneof![2 => Just(0_u64), 5 => 1..40_u64];
    prop_oneof![
        6 => (0..3_u8, 0..20_u8).prop_map(|(group, id)| Op::Send { group, id }),
        5 => (prop::bool::weighted(0.2), 1..=10_usize, visibility.clone())
            .prop_map(|(dead, most, visibility)| Op::Receive { dead, most, visibility }),
        4 => any::<prop::sample::Index>().prop_map(|receipt| Op::Delete { receipt }),
        2 => (any::<prop::sample::Index>(), visibility)
            .prop_map(|(receipt, visibility)| Op::Extend { receipt, visibility }),
        3 => prop_oneof![3 => 1..20_u64, 1 => 100..400_u64].prop_map(|seconds| Op::Wait { seconds }),
        1 => Just(Op::Redrive),
    ]
}

/// A message's number and its count of receives.
type Taken = (u64, u32);
/// A message's group and its number.
type GivenUp = (u8, u64);

/// A queue in which each message waits in the line of its group.
#[derive(Default)]
struct Lines {
    groups: BTreeMap<u8, Vec<Waiting>>,
    /// How many messages ever came.
    came: u32,
}

#[derive(Clone, Debug)]
struct Waiting {
    number: u64,
    /// Its turn among the messages of all lines.
    turn: u32,
    receives: u32,
    hidden_until: u64,
}

impl Lines {
    fn add(&mut self, group: u8, number: u64, now: u64) {
        self.came += 1;
        self.groups.entry(group).or_default().push(Waiting {
            number,
            turn: self.came,
            receives: 0,
            hidden_until: now,
        });
    }

    /// What one receive takes, by number and count, and what it gives up, by group and number.
    fn receive(
        &mut self,
        most: usize,
        max: Option<u32>,
        now: u64,
        until: u64,
    ) -> (Vec<Taken>, Vec<GivenUp>) {
        // Of each line what is before the first that is hidden.
        let mut ready: Vec<(u32, u8, u64, u32)> = Vec::new();
        for (group, line) in &self.groups {
            let free = line.iter().take_while(|one| one.hidden_until <= now);
            ready.extend(free.map(|one| (one.turn, *group, one.number, one.receives)));
        }
        ready.sort_unstable();
        let (mut taken, mut given_up) = (Vec::new(), Vec::new());
        for (_, group, number, receives) in ready {
            if taken.len() == most {
                break;
            }
            let line = self.groups.get_mut(&group).unwrap();
            let at = line.iter().position(|one| one.number == number).unwrap();
            if max.is_some_and(|max| receives >= max) {
                line.remove(at);
                given_up.push((group, number));
            } else {
                line[at].receives += 1;
                line[at].hidden_until = until;
                taken.push((number, receives + 1));
            }
        }
        (taken, given_up)
    }

    fn find(&mut self, number: u64) -> Option<(&mut Vec<Waiting>, usize)> {
        self.groups.values_mut().find_map(|line| {
            let at = line.iter().position(|one| one.number == number)?;
            Some((line, at))
        })
    }

    fn counts(&self, now: u64) -> Depth {
        let mut depth = Depth::default();
        for one in self.groups.values().flatten() {
            match one.hidden_until > now {
                true => depth.in_flight += 1,
                false => depth.visible += 1,
            }
        }
        depth
    }
}

/// A receipt of a queue, and the delivery that it is of.
struct Given {
    is_dead: bool,
    text: String,
    number: u64,
    receives: u32,
}

fn queues() -> Queues {
    let mut queues = Queues::default();
    let fifo = |more: &[(&str, String)]| {
        let mut all = vec![("FifoQueue", "true".to_owned())];
        all.extend_from_slice(more);
        Attributes::of(&all)
    };
    queues.add(DEAD.into(), fifo(&[]));
    let policy = RedrivePolicy::text(&arn(DEAD), MOST_RECEIVES);
    queues.add(MAIN.into(), fifo(&[("RedrivePolicy", policy)]));
    queues
}

fn letter(group: u8, id: &str) -> Letter {
    Letter {
        group: Some(group.to_string().into()),
        deduplication: Some(id.into()),
        ..Letter::of("x")
    }
}

fn check(ops: &[Op]) -> Result<(), TestCaseError> {
    let mut queues = queues();
    let (mut main, mut dead) = (Lines::default(), Lines::default());
    let mut sent: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
    let mut given: Vec<Given> = Vec::new();
    let (mut now, mut newest) = (0, 0);
    for op in ops {
        let at = Duration::from_secs(now);
        match op {
            Op::Send { group, id } => {
                let done = queues
                    .send(MAIN, letter(*group, &id.to_string()), None, at)
                    .unwrap();
                match sent.get(id).filter(|(_, until)| *until > now) {
                    Some((number, _)) => {
                        prop_assert!(!done.is_new);
                        prop_assert_eq!(done.number, *number);
                    }
                    None => {
                        prop_assert!(done.is_new && done.number > newest, "numbers grow");
                        prop_assert_eq!(done.sequence, Some(done.number));
                        newest = done.number;
                        sent.insert(*id, (done.number, now + 300));
                        main.add(*group, done.number, now);
                    }
                }
            }
            Op::Receive {
                dead: is_dead,
                most,
                visibility,
            } => {
                let (name, lines, max) = match is_dead {
                    true => (DEAD, &mut dead, None),
                    false => (MAIN, &mut main, Some(MOST_RECEIVES)),
                };
                let (taken, given_up) = lines.receive(*most, max, now, now + visibility);
                let hidden = Some(Duration::from_secs(*visibility));
                let batch = queues.receive(name, *most, hidden, at).unwrap();
                let numbers = batch.delivered.iter();
                let numbers: Vec<_> = numbers.map(|one| (one.body.number, one.receives)).collect();
                prop_assert_eq!(numbers, taken);
                let gone: Vec<u64> = batch.given_up.iter().map(|letter| letter.number).collect();
                let wanted: Vec<u64> = given_up.iter().map(|(_, number)| *number).collect();
                prop_assert_eq!(gone, wanted);
                for (group, number) in given_up {
                    dead.add(group, number, now);
                }
                given.extend(batch.delivered.iter().map(|message| Given {
                    is_dead: *is_dead,
                    text: message.receipt().to_string(),
                    number: message.body.number,
                    receives: message.receives,
                }));
            }
            Op::Delete { receipt } if !given.is_empty() => {
                let given = receipt.get(&given);
                let (name, lines) = match given.is_dead {
                    true => (DEAD, &mut dead),
                    false => (MAIN, &mut main),
                };
                let deleted = queues.delete(name, &given.text, at);
                match lines.find(given.number) {
                    None => prop_assert_eq!(deleted.map(|one| one.is_none()), Ok(true)),
                    Some((line, place)) => {
                        let one = &line[place];
                        let is_own = one.receives == given.receives && one.hidden_until > now;
                        prop_assert_eq!(deleted.is_ok(), is_own);
                        if is_own {
                            line.remove(place);
                        }
                    }
                }
            }
            Op::Extend {
                receipt,
                visibility,
            } if !given.is_empty() => {
                let given = receipt.get(&given);
                let (name, lines) = match given.is_dead {
                    true => (DEAD, &mut dead),
                    false => (MAIN, &mut main),
                };
                let hidden = Duration::from_secs(*visibility);
                let extended = queues.extend(name, &given.text, hidden, at);
                let found = lines.find(given.number);
                let is_own = found.map(|(line, place)| {
                    let one = &mut line[place];
                    let is_own = one.receives == given.receives && one.hidden_until > now;
                    if is_own {
                        one.hidden_until = now + visibility;
                    }
                    is_own
                });
                prop_assert_eq!(extended.is_ok(), is_own == Some(true));
            }
            Op::Delete { .. } | Op::Extend { .. } => {}
            Op::Wait { seconds } => now += seconds,
            Op::Redrive => {
                let mut back: Vec<(u32, u8)> = Vec::new();
                for (group, line) in &mut dead.groups {
                    let free = line.iter().filter(|one| one.hidden_until <= now);
                    back.extend(free.map(|one| (one.turn, *group)));
                    line.retain(|one| one.hidden_until > now);
                }
                back.sort_unstable();
                prop_assert_eq!(queues.redrive(DEAD, None, at), Ok(back.len()));
                for (_, group) in back {
                    main.add(group, 0, now);
                }
                renumber(&mut main, &queues);
            }
        }
        let at = Duration::from_secs(now);
        prop_assert_eq!(queues.get(MAIN).unwrap().depth(at), main.counts(now));
        prop_assert_eq!(queues.get(DEAD).unwrap().depth(at), dead.counts(now));
    }
    Ok(())
}

/// Gives messages that were moved back the numbers that the queue has given them, in their order.
fn renumber(main: &mut Lines, queues: &Queues) {
    let mut new: Vec<&mut Waiting> = main
        .groups
        .values_mut()
        .flatten()
        .filter(|one| one.number == 0)
        .collect();
    new.sort_by_key(|one| one.turn);
    let stored = queues.get(MAIN).unwrap();
    let numbers: Vec<u64> = stored.letters().map(|letter| letter.number).collect();
    let given = &numbers[numbers.len() - new.len()..];
    for (one, number) in new.into_iter().zip(given) {
        one.number = *number;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn fifo_queues_keep_order_drop_repeats_and_give_up_proptest(
        ops in prop::collection::vec(op(), 1..60),
    ) {
        check(&ops)?;
    }
}

#[test]
fn repeats_count_in_a_group_where_that_is_the_scope() {
    let mut queues = queues();
    let scope =
        json!({ "DeduplicationScope": "messageGroup", "ContentBasedDeduplication": "true" });
    let given = Attributes::read(&scope, false).unwrap();
    queues.set_attributes(MAIN, given, Duration::ZERO).unwrap();
    let mut send = |group: u8, text: &str| {
        let letter = Letter {
            deduplication: None,
            text: text.into(),
            ..letter(group, "")
        };
        let sent = queues.send(MAIN, letter, None, Duration::ZERO);
        sent.unwrap().is_new
    };
    assert!(send(1, "a") && send(2, "a") && send(1, "b"));
    assert!(!send(1, "a"));
}

#[test]
fn what_a_queue_does_not_take_is_refused() {
    let mut queues = queues();
    let now = Duration::ZERO;
    let mut refused = |letter: Letter, delay: Option<u64>| {
        let delay = delay.map(Duration::from_secs);
        queues.send(MAIN, letter, delay, now).unwrap_err().message
    };
    assert!(refused(Letter::of("x"), None).contains("MessageGroupId"));
    assert!(refused(letter(1, "a"), Some(5)).contains("DelaySeconds"));
    let bare = Letter {
        deduplication: None,
        ..letter(1, "")
    };
    assert!(refused(bare, None).contains("ContentBasedDeduplication"));
    let standard = || Attributes::read(&json!({}), true).unwrap();
    queues
        .create("plain", standard(), BTreeMap::new(), now)
        .unwrap();
    queues
        .create("plain", standard(), BTreeMap::new(), now)
        .unwrap();
    let other = Attributes::read(&json!({ "DelaySeconds": "9" }), true).unwrap();
    let exists = queues
        .create("plain", other, BTreeMap::new(), now)
        .unwrap_err();
    assert!(exists.code.ends_with("QueueNameExists"));
    let policy = json!({ "RedrivePolicy": RedrivePolicy::text(&arn(DEAD), 3) });
    let wrong_kind = Attributes::read(&policy, false).unwrap();
    assert!(queues.set_attributes("plain", wrong_kind, now).is_err());
    assert!(
        queues
            .create("plain.fifo", standard(), BTreeMap::new(), now)
            .is_err()
    );
    assert!(queues.purge("plain", now).is_ok());
    assert!(
        queues
            .purge("plain", now + Duration::from_secs(59))
            .is_err()
    );
    assert!(
        queues.redrive(MAIN, None, now).is_err(),
        "it is no queue of dead letters"
    );
}

#[test]
fn what_is_older_than_a_queue_keeps_it_is_gone() {
    let mut queues = queues();
    let kept = Attributes::read(&json!({ "MessageRetentionPeriod": "60" }), false).unwrap();
    queues.set_attributes(MAIN, kept, Duration::ZERO).unwrap();
    queues
        .send(MAIN, letter(1, "a"), None, Duration::ZERO)
        .unwrap();
    let at = |seconds| Duration::from_secs(seconds);
    let count = |queues: &mut Queues, seconds| {
        let batch = queues.receive(MAIN, 10, Some(Duration::ZERO), at(seconds));
        batch.unwrap().delivered.len()
    };
    assert_eq!(count(&mut queues, 59), 1);
    assert_eq!(count(&mut queues, 60), 0);
}
