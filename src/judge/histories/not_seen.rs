//! What a target does not show.

use super::*;

#[test]
fn a_part_that_is_not_seen_breaks_no_rule_and_is_reported() {
    let all_wrong = || {
        let mut story = Story::of("instruct acme/home change\n").steps();
        story.seen.queued = Seen::Seen(vec![edit(1)]);
        story.seen.running = Seen::Seen(Vec::new());
        let record = Record {
            last_error: Some("broken".into()),
            ..Record::default()
        };
        story.seen.records.or_default().insert(blog(), record);
        story.committed(&[edit(1)])
    };
    // Each part by its own is wrong, and no longer once it is not seen.
    let hide: [fn(&mut Snapshot); 4] = [
        |seen| seen.running = Seen::NotSeen,
        |seen| seen.records = Seen::NotSeen,
        |seen| seen.queued = Seen::NotSeen,
        |seen| seen.workspaces = Seen::NotSeen,
    ];
    let rules = |story: &Story| {
        let mut judge = Judge::new(&story.plan, SiteKind::Shell, Profile::reference());
        for event in &story.events {
            judge.take(event).unwrap();
        }
        let each = crate::invariant::each_recovered(&judge.model, &story.seen);
        let broken = each
            .into_iter()
            .filter_map(|(rule, it)| Some((rule, it?.kind)));
        broken.collect::<Vec<_>>()
    };
    let mut before = rules(&all_wrong());
    assert!(before.len() >= 5, "{before:?}");
    let mut story = all_wrong();
    for hide in hide {
        hide(&mut story.seen);
        let now = rules(&story);
        assert!(now.len() < before.len(), "{before:?} {now:?}");
        assert!(now.iter().all(|it| before.contains(it)), "{now:?}");
        before = now;
    }
    assert_eq!(before, []);
    let not_asked = not_asked(&Profile::reference(), Some(&story.seen));
    let queue = "settled (in part): its queue cannot be seen: the target does not show it";
    let not_asked: Vec<String> = not_asked.iter().map(ToString::to_string).collect();
    assert!(not_asked.iter().any(|it| it == queue), "{not_asked:?}");
    let whole = "pushed: its workspace cannot be seen: the target does not show it";
    assert!(not_asked.iter().any(|it| it == whole), "{not_asked:?}");
}

#[test]
fn a_snapshot_keeps_in_json_what_was_not_seen() {
    let mut seen = Snapshot::empty();
    seen.records = Seen::NotSeen;
    let text = serde_json::to_string(&seen).unwrap();
    assert!(text.contains(r#""records":null,"queued":[]"#), "{text}");
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), seen);
}
