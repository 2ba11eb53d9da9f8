//! Slices of real migrations, opened with Wireshark's tools.

mod common;

use std::path::Path;
use std::process::Command;

/// `tshark`'s columns of the frames that a display filter chooses.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-Y", filter, "-T", "fields", "-E", "separator=|"]);
    fields.iter().for_each(|f| {
        command.args(["-e", f]);
    });
    common::stdout(&mut command).lines().map(|l| l.split('|').map(str::to_owned).collect()).collect()
}

fn slice(run: &Path, options: &[&str], out: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmpcap"));
    common::stdout(command.arg("slice").arg(run).args(options).arg("-o").arg(out))
}

#[test]
fn wireshark_shows_the_story_of_the_downtime() {
    if !common::has("tshark", "tshark") {
        return;
    }
    // Nodes captured on all interfaces, VXLAN between them, pcapng with several interfaces and a guest that is dead afterwards.
    for (name, dead) in [("hls-any", false), ("vxlan", false), ("guest-dead", true)] {
        let Some(run) = common::capture(name) else { return };
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("evidence.pcapng");
        let said = slice(&run, &["--around", "downtime", "--margin", "200ms"], &out);
        let frames = tshark(&out, "frame", &["frame.time_epoch", "frame.interface_name", "frame.interface_id"]);
        assert!(frames.len() > 100, "{name}: {said}");
        let time = |row: &[String]| row[0].parse::<f64>().unwrap();
        assert!(frames.windows(2).all(|w| time(&w[0]) <= time(&w[1])), "{name}: not in the order of time");
        // One interface per point: a name has one number.
        let mut interfaces: Vec<(&str, &str)> = frames.iter().map(|f| (f[1].as_str(), f[2].as_str())).collect();
        interfaces.sort_unstable();
        interfaces.dedup();
        let names: Vec<&str> = interfaces.iter().map(|i| i.0).collect();
        assert_eq!(names, ["client", "destination", "source"], "{name}");
        for point in names {
            let n = frames.iter().filter(|f| f[1] == point).count();
            assert!(said.contains(&format!("{n} of {point}")), "{name}: {n} frames of {point}: {said}");
        }
        let story = tshark(&out, "frame.comment", &["frame.interface_name", "frame.comment"]);
        let told = |what: &str| story.iter().position(|row| row[1].contains(what));
        let order = [
            "last frame that the VM sent on the source",
            "first byte of the switch-over",
            "last byte of the stream",
            "first RARP of the VM",
        ];
        let places: Vec<_> =
            order.iter().map(|what| told(what).unwrap_or_else(|| panic!("{name}: {what} is missing in {story:?}"))).collect();
        assert!(places.is_sorted(), "{name}: {story:?}");
        assert_eq!(told("first packet of the VM at the client after the pause").is_none(), dead, "{name}: {story:?}");
        let at_client = told("last packet of the VM at the client").unwrap();
        assert_eq!(story[at_client][0], "client", "{name}");
        // What the comments say is what the frames are.
        let announced = tshark(&out, "frame.comment contains \"first RARP\" && arp.opcode == 3", &["frame.number"]);
        assert_eq!(announced.len(), 1, "{name}");
    }
}

#[test]
fn a_client_alone_is_cut_around_its_silence() {
    if !common::has("tshark", "tshark") {
        return;
    }
    let Some(run) = common::capture("guest-dead") else { return };
    let dir = tempfile::tempdir().unwrap();
    let client = std::fs::read_dir(&run).unwrap().map(|e| e.unwrap().path()).find(|p| p.ends_with("client.pcapng.zst")).unwrap();
    for (options, comments) in [(&[][..], 1), (&["--filter", "not rarp"], 1)] {
        let out = dir.path().join("evidence.pcapng");
        let said = slice(&client, &[&["--around", "downtime", "--margin", "1s", "--vm-ip", "192.0.2.50"], options].concat(), &out);
        let story = tshark(&out, "frame.comment", &["frame.comment"]);
        assert_eq!(story.len(), comments, "{said} {story:?}");
        assert!(story[0][0].contains("last packet of the VM at the client"), "{story:?}");
        // The filter holds for what is written as well.
        let rarp = tshark(&out, "arp.opcode == 3", &["frame.number"]).len();
        assert_eq!(rarp == 0, !options.is_empty(), "{rarp} announcements");
        std::fs::remove_file(out).unwrap();
    }
}
