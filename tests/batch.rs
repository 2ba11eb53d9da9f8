//! `lmpcap batch`: the same bytes however the work is cut, broken runs named, what is done not done again.
#![cfg(feature = "testkit")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use lmpcap::testkit::runs;
use polars::prelude::{ParquetReader, SerReader};

const LMPCAP: &str = env!("CARGO_BIN_EXE_lmpcap");
const RUNS: usize = 500;
const BROKEN: usize = 10;

fn batch(args: &[&str]) -> Output {
    Command::new(LMPCAP).arg("batch").args(args).output().expect("the binary runs")
}

/// Without the report, which is slow where nothing is optimized.
fn bare(args: &[&str]) -> Output {
    batch(&[args, &["--report", "none"]].concat())
}

fn good(out: &Output) -> String {
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write_tree(root: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// All files below `root`, with their bytes.
fn all(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn same(a: &Path, b: &Path) {
    let (a, b) = (all(a), all(b));
    assert!(a.keys().eq(b.keys()), "{:?}\n{:?}", a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(b[name] == *bytes, "{} differs", name.display());
    }
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("study/{name}"), &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Waits until half of the runs are kept in `dir`, or the child has ended.
fn wait_for_half(child: &mut Child, dir: &Path) -> usize {
    loop {
        let kept = fs::read_dir(dir.join("runs")).map_or(0, |list| list.count());
        if kept >= RUNS / 2 || child.try_wait().unwrap().is_some() {
            return kept;
        }
        sleep(Duration::from_millis(5));
    }
}

/// Runs lmpcap, which must stay small by the kernel's account.
fn small(args: &[&str]) {
    if !common::has("python3", "python3") {
        good(&Command::new(LMPCAP).args(args).output().unwrap());
        return;
    }
    let script = "import resource,subprocess,sys\n\
                  done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n\
                  print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n\
                  sys.exit(done.returncode)";
    let out = Command::new("python3").args(["-c", script, LMPCAP]).args(args).output().unwrap();
    let kib: u64 = good(&out).trim().parse().unwrap();
    println!("peak memory {} MiB", kib >> 10);
    assert!(kib < 300 << 10, "{kib} KiB");
}

#[test]
fn five_hundred_runs_give_the_same_bytes_however_they_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let archive = at("study.tar.gz");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar(&runs::files(RUNS, RUNS / BROKEN))).unwrap();
    fs::write(&archive, gzip.finish().unwrap()).unwrap();
    let archive = text(&archive);

    // Two threads.
    let one = at("one");
    small(&["batch", archive, "-o", text(&one), "--threads", "2", "--report", "none"]);
    let table = ParquetReader::new(fs::File::open(one.join("study.parquet")).unwrap()).finish().unwrap();
    let error = table.column("error").unwrap();
    assert_eq!(error.len() - error.null_count(), BROKEN, "one row for each broken run");
    let (ids, errors) = (table.column("run_id").unwrap().str().unwrap(), error.str().unwrap());
    let mut fine: Vec<_> = ids.iter().zip(errors.iter()).filter(|(_, e)| e.is_none()).map(|(id, _)| id.unwrap()).collect();
    fine.dedup();
    assert_eq!(fine.len(), RUNS - BROKEN);
    for says in ["expected a pcap or pcapng capture", "run.toml", "gone.pcap", "zstd"] {
        assert!(errors.iter().flatten().any(|e| e.contains(says)), "no error says {says:?}");
    }
    assert!(table.column("factor_ram").unwrap().i64().unwrap().iter().flatten().all(|ram| [512, 1024, 2048].contains(&ram)));

    // One thread, killed at half, and once more.
    let killed = at("killed");
    let mut child =
        Command::new(LMPCAP).args(["batch", archive, "-o", text(&killed), "--threads", "1", "-q"]).stderr(Stdio::null()).spawn().unwrap();
    let kept = wait_for_half(&mut child, &killed);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!((RUNS / 2..RUNS).contains(&kept), "killed after {kept} runs");
    let resumed = good(&bare(&[archive, "-o", text(&killed), "--threads", "1"]));
    // The broken ones whose inputs cannot be read are tried again.
    let before: usize = resumed.split("runs, ").nth(1).and_then(|s| s.split(' ').next()).unwrap().parse().unwrap();
    assert!(before + BROKEN >= kept && before < RUNS, "{resumed}");
    same(&one, &killed);

    // In two parts, joined in another order.
    let parts: Vec<PathBuf> = (1..=2).map(|n| at(&format!("part{n}"))).collect();
    for (n, part) in parts.iter().enumerate() {
        good(&bare(&[archive, "-o", text(part), "--shard", &format!("{}/2", n + 1), "-q"]));
    }
    let merged = at("merged");
    good(&bare(&["--merge", text(&parts[1]), text(&parts[0]), "-o", text(&merged), "-q"]));
    same(&one, &merged);

    // With the report of all runs.
    let reported = at("reported");
    small(&["batch", "--merge", text(&parts[0]), text(&parts[1]), "-o", text(&reported)]);
    for file in ["report.html", "report.md", "report.docx", "latex", "charts", "study.parquet"] {
        assert!(reported.join(file).exists(), "no {file}");
    }
}

#[test]
fn dask_with_a_killed_worker_gives_the_same_bytes() {
    if !common::has("python3", "python3") {
        return;
    }
    let found = Command::new("python3").args(["-c", "import distributed"]).stderr(Stdio::null()).status().unwrap();
    if !found.success() {
        return common::skip("the Python package distributed is not installed (pip install distributed)");
    }
    let dir = tempfile::tempdir().unwrap();
    let (tree, one, out) = (dir.path().join("study"), dir.path().join("one"), dir.path().join("out"));
    write_tree(&tree, &runs::files(60, 20));
    good(&batch(&[text(&tree), "-o", text(&one), "-q"]));

    let scheduler_file = dir.path().join("scheduler.json");
    let python = |module: &str, args: &[&str]| {
        let mut command = Command::new("python3");
        command.args(["-m", module, "--scheduler-file", text(&scheduler_file)]).args(args);
        command.current_dir(dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut scheduler = python("distributed.cli.dask_scheduler", &["--port", "0", "--no-dashboard"]);
    while fs::read(&scheduler_file).map_or(true, |text| text.is_empty()) {
        assert!(scheduler.try_wait().unwrap().is_none(), "the scheduler has ended");
        sleep(Duration::from_millis(20));
    }
    let described: serde_json::Value = serde_json::from_slice(&fs::read(&scheduler_file).unwrap()).unwrap();
    let address = described["address"].as_str().unwrap().to_owned();
    let worker = || python("distributed.cli.dask_worker", &["--nthreads", "1", "--no-nanny", "--no-dashboard"]);
    let mut workers = [worker(), worker()];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/lmpcap_dask.py");
    let study = Command::new("python3")
        .arg(script)
        .args([text(&tree), "-o", text(&out), "--scheduler", &address, "--runs-per-task", "5", "--lmpcap", LMPCAP])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Both are at work when the third part is whole; one then dies without a word.
    loop {
        let folders = fs::read_dir(&out).into_iter().flatten().flatten().filter(|e| e.file_name().to_string_lossy().starts_with(".parts"));
        let parts = folders.filter_map(|e| fs::read_dir(e.path()).ok()).flatten().flatten();
        if parts.filter(|p| !p.file_name().to_string_lossy().starts_with('.')).count() >= 3 {
            break;
        }
        assert!(workers.iter_mut().all(|w| w.try_wait().unwrap().is_none()), "a worker has ended");
        sleep(Duration::from_millis(20));
    }
    workers[0].kill().unwrap();
    let done = study.wait_with_output().unwrap();
    for child in workers.iter_mut().chain([&mut scheduler]) {
        let _ = child.kill();
        child.wait().unwrap();
    }
    good(&done);
    same(&one, &out);
}

#[test]
fn slurm_parts_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, one, out) = (dir.path().join("study"), dir.path().join("one"), dir.path().join("out"));
    write_tree(&tree, &runs::files(9, 9));
    good(&batch(&[text(&tree), "-o", text(&one), "-q"]));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/lmpcap-slurm.sh");
    let run = |what: &str, task: &str| {
        let mut command = Command::new("sh");
        command.arg(&script).args([what, text(&tree), text(&out), "2"]);
        command.env("LMPCAP", LMPCAP).env("SLURM_ARRAY_TASK_ID", task).output().unwrap()
    };
    good(&run("part", "1"));
    let early = run("join", "");
    assert_eq!(early.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&early.stderr).contains("part 2 of 2"), "{early:?}");
    good(&run("part", "2"));
    good(&run("join", ""));
    same(&one, &out);
}

#[test]
fn only_what_changed_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, out) = (dir.path().join("study"), dir.path().join("out"));
    write_tree(&tree, &runs::files(6, 100));
    let run = || good(&bare(&[text(&tree), "-o", text(&out)]));
    assert!(run().contains("6 runs,"));
    let first = all(&out);
    assert!(run().contains("6 of them done before"));
    assert!(all(&out) == first);
    let changed = tree.join("no-video/512/run0/client.pcap");
    let mut bytes = fs::read(&changed).unwrap();
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    fs::write(&changed, bytes).unwrap();
    assert!(run().contains("5 of them done before"));
    // A run that has gone leaves the study.
    fs::remove_dir_all(tree.join("no-video/512/run0")).unwrap();
    assert!(run().contains("5 runs, 5 of them done before"));
    assert_eq!(fs::read_dir(out.join("runs")).unwrap().count(), 5);
    // Another option is another result.
    assert!(!good(&bare(&[text(&tree), "-o", text(&out), "--method", "thesis"])).contains("before"));
}

#[test]
fn every_kind_of_archive_gives_what_the_folder_gives() {
    let dir = tempfile::tempdir().unwrap();
    let files = runs::files(4, 100);
    write_tree(&dir.path().join("tree/study"), &files);
    let tar = tar(&files);
    fs::write(dir.path().join("a.tar"), &tar).unwrap();
    fs::write(dir.path().join("b.tar.zst"), zstd::encode_all(&tar[..], 1).unwrap()).unwrap();
    let mut zip = zip::ZipWriter::new(fs::File::create(dir.path().join("c.zip")).unwrap());
    for (name, bytes) in &files {
        zip.start_file(format!("study/{name}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    let study = dir.path().join("tree/study/study.toml");
    let mut tables = Vec::new();
    for path in ["tree", "a.tar", "b.tar.zst", "c.zip"] {
        let out = dir.path().join(format!("out-{path}"));
        good(&bare(&[text(&dir.path().join(path)), "-o", text(&out), "--study", text(&study), "-q"]));
        assert!(!out.join(".unpacked").exists());
        // Only the path of the place differs.
        let table = fs::read_to_string(out.join("study.csv")).unwrap();
        tables.push(table.replace(text(&dir.path().join(path)), "PLACE"));
    }
    assert!(tables[0].contains("no-video") && tables[0].contains("completed"));
    assert!(tables.windows(2).all(|w| w[0] == w[1]));
}

#[test]
fn the_terminal_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("study");
    write_tree(&tree, &runs::files(3, 100));
    let (tree, out) = (text(&tree), dir.path().join("out"));
    let list = good(&batch(&[tree, "--list"]));
    assert_eq!(list.lines().count(), 4);
    assert!(list.lines().nth(1).unwrap().starts_with("no-video/512/run0\t2\t"), "{list}");
    for (args, says) in [
        (vec![tree, "-o", text(&out), "--only", "nothing"], "--only: there is no run \"nothing\""),
        (vec![tree, "-o", text(&out), "--shard", "3/2"], "--shard: expected I/N"),
        (vec![text(dir.path()), "-o", text(&out), "--study", "gone.toml"], "gone.toml"),
        (vec!["gone", "-o", text(&out)], "gone"),
        (vec!["--merge", tree, "-o", text(&out)], "lmpcap batch"),
    ] {
        let done = batch(&args);
        assert_eq!(done.status.code(), Some(2), "{args:?}");
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(error.contains(says), "{args:?}: {error}");
    }
    good(&batch(&[tree, "-o", text(&out), "--only", "no-video/512/run0", "-q"]));
    good(&batch(&[tree, "-o", text(&out), "--only", "offline-video/512/run1", "-q"]));
    assert_eq!(fs::read_dir(out.join("runs")).unwrap().count(), 2, "a part adds to what is there");
}
