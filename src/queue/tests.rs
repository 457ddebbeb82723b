use super::*;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn queue(rules: Rules, bodies: &[&'static str]) -> Queue<&'static str> {
    let mut queue = Queue::new(rules);
    for (id, body) in (1..).zip(bodies) {
        queue.send(id, *body, Duration::ZERO);
    }
    queue
}

/// The next message, and those that were given up before it.
fn receive(
    queue: &mut Queue<&'static str>,
    now: u64,
) -> (Option<Message<&'static str>>, Vec<&'static str>) {
    let mut dead = Vec::new();
    while let Some(received) = queue.receive(seconds(now), seconds(now) + VISIBILITY) {
        match received {
            Received::Delivered(message) => return (Some(message), dead),
            Received::DeadLettered(message) => dead.push(message.body),
        }
    }
    (None, dead)
}

fn take(queue: &mut Queue<&'static str>, now: u64) -> Option<Message<&'static str>> {
    receive(queue, now).0
}

#[test]
fn a_message_in_flight_blocks_those_behind_it() {
    let mut fifo = queue(Rules::INSTRUCTIONS, &["a", "b"]);
    let first = take(&mut fifo, 0).unwrap();
    assert_eq!((first.body, first.receives), ("a", 1));
    assert_eq!(take(&mut fifo, 1), None);
    assert_eq!(fifo.next_visible(seconds(1)), Some(VISIBILITY));
    assert!(fifo.delete(first.receipt(), seconds(2)).unwrap().is_some());
    assert_eq!(take(&mut fifo, 3).unwrap().body, "b");
}

#[test]
fn a_standard_queue_delivers_past_a_message_in_flight() {
    let mut standard = queue(Rules::RETRIES, &["a", "b"]);
    let first = take(&mut standard, 0).unwrap();
    assert_eq!(first.body, "a");
    assert_eq!(take(&mut standard, 0).unwrap().body, "b");
    assert_eq!(take(&mut standard, 0), None);
    assert_eq!(take(&mut standard, 120).unwrap().body, "a");
    let late = standard.delete(first.receipt(), seconds(121));
    assert!(late.unwrap().is_some(), "it takes a late receipt");
}

#[test]
fn the_fourth_delivery_goes_to_the_dead_letters() {
    let mut fifo = queue(Rules::INSTRUCTIONS, &["a", "b"]);
    for receives in 1..=3 {
        let message = take(&mut fifo, 200 * u64::from(receives)).unwrap();
        assert_eq!((message.body, message.receives), ("a", receives));
    }
    let (next, dead) = receive(&mut fifo, 1000);
    assert_eq!(next.unwrap().body, "b");
    assert_eq!(dead, ["a"]);
}

#[test]
fn visibility_is_extended_only_while_in_flight() {
    let mut fifo = queue(Rules::INSTRUCTIONS, &["a"]);
    let receipt = take(&mut fifo, 0).unwrap().receipt();
    assert_eq!(fifo.extend(receipt, seconds(100), seconds(220)), Ok(()));
    assert_eq!(take(&mut fifo, 219), None);
    let again = take(&mut fifo, 220).unwrap();
    assert_eq!(again.receives, 2);
    let late = fifo.extend(receipt, seconds(221), seconds(400));
    assert_eq!(late, Err(Expired));
    assert_eq!(fifo.delete(receipt, seconds(221)), Err(Expired));
    let again = again.receipt();
    assert!(fifo.delete(again, seconds(222)).unwrap().is_some());
    assert_eq!(fifo.delete(again, seconds(223)), Ok(None));
    assert_eq!(fifo.extend(again, seconds(223), seconds(400)), Err(Expired));
}

#[test]
fn a_receipt_is_read_as_it_is_written() {
    let receipt = Receipt { id: 7, receives: 2 };
    assert_eq!(receipt.to_string().parse(), Ok(receipt));
    for text in ["", "x", "1", "1-x", "x-1"] {
        assert_eq!(text.parse::<Receipt>(), Err(NoReceipt), "{text}");
    }
}

#[test]
fn a_delayed_message_is_hidden_until_its_time() {
    let mut standard = Queue::new(Rules::RETRIES);
    standard.send(1, "a", seconds(9));
    assert_eq!(take(&mut standard, 8), None);
    assert_eq!(standard.next_visible(seconds(8)), Some(seconds(9)));
    assert!(standard.messages()[0].is_hidden(seconds(8)));
    assert!(take(&mut standard, 9).is_some());
}

/// A FIFO queue of messages that are named by group and number: `a1`.
fn grouped(names: &[&'static str]) -> Queue<&'static str, u64, Duration, char> {
    let mut queue = Queue::new(Rules {
        is_fifo: true,
        max_receives: Some(2),
    });
    for (id, name) in (1..).zip(names) {
        queue.send_in(name.chars().next().unwrap(), id, *name, Duration::ZERO);
    }
    queue
}

/// What one receive takes, and what it gives up.
fn receive_up_to(
    queue: &mut Queue<&'static str, u64, Duration, char>,
    most: usize,
    now: u64,
) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut taken, mut dead) = (Vec::new(), Vec::new());
    for received in queue.receive_up_to(most, seconds(now), seconds(now) + VISIBILITY) {
        match received {
            Received::Delivered(message) => taken.push(message.body),
            Received::DeadLettered(message) => dead.push(message.body),
        }
    }
    (taken, dead)
}

#[test]
fn a_group_that_is_held_up_lets_others_go_on() {
    let mut queue = grouped(&["a1", "a2", "b1", "a3", "b2"]);
    assert_eq!(receive_up_to(&mut queue, 2, 0).0, ["a1", "a2"]);
    assert_eq!(queue.next_visible(seconds(0)), Some(VISIBILITY));
    assert_eq!(receive_up_to(&mut queue, 10, 1).0, ["b1", "b2"]);
    assert_eq!(receive_up_to(&mut queue, 10, 2).0, [""; 0]);
    let second = queue.message(2).unwrap().receipt();
    queue.extend(second, seconds(3), seconds(3)).unwrap();
    assert_eq!(
        receive_up_to(&mut queue, 10, 3).0,
        [""; 0],
        "a1 comes first"
    );
    let first = queue.message(1).unwrap().receipt();
    queue.delete(first, seconds(4)).unwrap();
    assert_eq!(receive_up_to(&mut queue, 10, 4).0, ["a2", "a3"]);
    assert_eq!(queue.depth(seconds(4)).in_flight, 4);
}

#[test]
fn what_is_given_up_in_a_receive_frees_its_group() {
    let mut queue = grouped(&["a1", "a2"]);
    assert_eq!(receive_up_to(&mut queue, 1, 0).0, ["a1"]);
    assert_eq!(receive_up_to(&mut queue, 1, 200).0, ["a1"]);
    let (taken, dead) = receive_up_to(&mut queue, 10, 400);
    assert_eq!((taken, dead), (vec!["a2"], vec!["a1"]));
}

#[test]
fn messages_are_counted_by_where_they_are() {
    let mut queue = Queue::new(Rules::RETRIES);
    queue.send(1, "a", Duration::ZERO);
    queue.send(2, "b", Duration::ZERO);
    queue.send(3, "c", seconds(9));
    take(&mut queue, 0);
    let depth = |visible, in_flight, delayed| Depth {
        visible,
        in_flight,
        delayed,
    };
    assert_eq!(queue.depth(seconds(1)), depth(1, 1, 1));
    assert_eq!(queue.depth(seconds(200)), depth(3, 0, 0));
    let removed = queue.remove_where(|message| message.body != "b");
    assert_eq!(removed.len(), 2);
    assert_eq!(queue.depth(seconds(200)), depth(1, 0, 0));
}
