use super::*;

fn place(files: &[&str], descriptions: &[(&str, &str)]) -> Place {
    let mut files: Vec<Entry> = files.iter().map(|f| Entry { path: (*f).to_owned(), bytes: 10 }).collect();
    files.sort();
    let descriptions = descriptions.iter().map(|(f, text)| ((*f).to_owned(), Ok((*text).to_owned()))).collect();
    Place { path: "root".into(), name: "root".into(), files, descriptions, ..Place::default() }
}

fn ids(found: &Discovery) -> Vec<&str> {
    found.runs.iter().map(|r| r.entry.id.as_str()).collect()
}

fn shape(run: &Found) -> Vec<(Role, usize)> {
    run.spec.as_ref().unwrap().points.iter().map(|p| (p.role, p.paths.len())).collect()
}

#[test]
fn folders_are_runs() {
    let place = place(
        &[
            "a/client.pcap",
            "a/source.pcap",
            "b/1/client.pcap",
            "b/2/source/eth0.pcap",
            "b/2/source/tap.pcap",
            "b/2/client/x.pcap",
            "c/notes.txt",
        ],
        &[],
    );
    let found = discover(&place, &Description::default());
    assert_eq!(ids(&found), ["a", "b/1", "b/2"]);
    assert_eq!(shape(&found.runs[0]), [(Role::Client, 1), (Role::Source, 1)]);
    assert_eq!(shape(&found.runs[2]), [(Role::Client, 1), (Role::Source, 2)]);
    assert_eq!((found.runs[2].entry.files, found.runs[2].entry.bytes), (3, 30));
}

#[test]
fn the_whole_place_may_be_one_run() {
    let found = discover(&place(&["client.pcap", "source.pcap"], &[]), &Description::default());
    assert_eq!((ids(&found), found.runs[0].entry.place.as_str()), (vec!["root"], "root"));
}

#[test]
fn descriptions_claim_what_lies_below_and_win_over_the_study() {
    let text = "name = \"first\"\nscenario = \"no-video\"\n[points]\nclient = \"caps/x.bin\"\n[factors]\nram = 512\n";
    let place = place(&["a/caps/x.bin", "a/caps/y.pcap", "b/client.pcap"], &[("a", text), ("b", "colour = 1")]);
    let study = Description::new("[run]\nscenario = \"online-video\"\nlink_bandwidth = 1000").unwrap();
    let found = discover(&place, &study);
    assert_eq!(ids(&found), ["a", "b"]);
    let spec = found.runs[0].spec.as_ref().unwrap();
    assert_eq!((spec.name.as_str(), spec.scenario.as_deref(), spec.link_bandwidth_bps), ("first", Some("no-video"), Some(1000.0)));
    assert_eq!(spec.points[0].paths, [PathBuf::from("root/a/caps/x.bin")]);
    assert_eq!(found.runs[0].entry.factors["ram"], "512");
    let error = found.runs[1].spec.as_ref().unwrap_err().to_string();
    assert!(error.contains("run.toml") && error.contains("colour"), "{error}");
}

#[test]
fn patterns_tell_factors() {
    let files =
        ["top/tanpa/512/run1/client.pcap", "top/tanpa/512/run2/caps/client.pcap", "top/idle/512/run1/client.pcap", "top/old/client.pcap"];
    let place = place(&files, &[]);
    let study = Description::new("patterns = [\"{scenario}/{ram}/run{n}\"]\n[scenarios]\ntanpa = \"no-video\"").unwrap();
    let found = discover(&place, &study);
    assert_eq!(ids(&found), ["top/idle/512/run1", "top/tanpa/512/run1", "top/tanpa/512/run2"]);
    assert_eq!(found.runs[0].entry.scenario.as_deref(), Some("idle"), "a scenario of the user's own");
    assert_eq!(found.runs[0].spec.as_ref().unwrap().scenario, None);
    assert_eq!(found.runs[1].spec.as_ref().unwrap().scenario.as_deref(), Some("no-video"));
    assert_eq!((found.runs[2].entry.factors["ram"].as_str(), found.runs[2].entry.factors["n"].as_str()), ("512", "2"));
    assert_eq!(found.unmatched, ["root/top/old/client.pcap"]);
}

#[test]
fn patterns_of_files_join_points() {
    let place = place(&["offline_512_1_client.pcap", "offline_512_1_source.pcap.zst", "offline_512_2_client.pcap", "x.pcap"], &[]);
    let study = Description::new("patterns = [\"{scenario}_{ram}_{n}_{point}.pcap*\"]").unwrap();
    let found = discover(&place, &study);
    assert_eq!(ids(&found), ["1-512-offline", "2-512-offline"]);
    assert_eq!(shape(&found.runs[0]), [(Role::Client, 1), (Role::Source, 1)]);
    assert_eq!(found.unmatched, ["root/x.pcap"]);
    let each = Description::new("patterns = [\"{scenario}_{ram}_{n}_client.pcap\"]").unwrap();
    assert_eq!(ids(&discover(&place, &each)), ["offline_512_1_client", "offline_512_2_client"]);
}
