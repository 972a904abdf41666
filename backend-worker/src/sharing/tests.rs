//! Units are described by their text: one run per word, `NAME` or `NAME:TOKENS`. `<x>` is a standard
//! header, `!x` leaves state behind. The last file is the main one.

use super::*;

fn unit(text: &str) -> Tokens {
    let words: Vec<&str> = text.split_whitespace().collect();
    let main = words.last().map_or("main", |word| word.split(':').next().unwrap());
    let mut files = vec![TokenFile { name: main.to_owned(), ..TokenFile::default() }];
    let mut runs = Vec::new();
    for word in words {
        let (name, count) = word.split_once(':').unwrap_or((word, "100000"));
        let (count, text): (u32, &str) = match count.strip_suffix('*') {
            Some(count) => (count.parse().unwrap(), "other"),
            None => (count.parse().unwrap(), "same"),
        };
        let spelled = if name.starts_with('<') { name.to_owned() } else { format!("\"{name}\"") };
        let at = files.iter().position(|file| file.name == name).unwrap_or_else(|| {
            let (system, leaves_state) = (name.starts_with('<'), name.starts_with('!'));
            let name = name.to_owned();
            let entries = 1;
            let new =
                TokenFile { name, spelled, system, leaves_state, entries, ..TokenFile::default() };
            files.push(new);
            files.len() - 1
        });
        let file = &mut files[at];
        let offset = file.tokens;
        file.tokens += count;
        file.hash = file.hash * 31 + u64::from(count) * 2 + u64::from(text == "other");
        file.statements += u64::from(count) * 7 + u64::from(text == "other");
        if count > 0 {
            runs.push(TokenRun { file: at, offset, tokens: count });
        }
    }
    Tokens::new(files, runs, Vec::new())
}

/// A unit with debug information.
fn debug(text: &str) -> Tokens {
    let mut unit = unit(text);
    unit.shows_places = true;
    unit
}

fn texts(units: &[&str]) -> Vec<(String, Vec<usize>)> {
    texts_of(&units.iter().map(|text| unit(text)).collect::<Vec<_>>())
}

fn texts_of(units: &[Tokens]) -> Vec<(String, Vec<usize>)> {
    choose(&units.iter().collect::<Vec<_>>())
        .into_iter()
        .map(|group| (group.text.replace("#include ", "").replace('\n', " "), group.members))
        .collect()
}

#[test]
fn choice_is_the_text_with_which_units_begin() {
    let both = texts(&["a.h b.h c.h one.cc", "a.h b.h d.h two.cc", "a.h b.h three.cc"]);
    assert_eq!(both, [("\"a.h\" \"b.h\" ".to_owned(), vec![0, 1, 2])]);
}

#[test]
fn choice_lets_standard_headers_stand_anywhere() {
    let found =
        texts(&["<map> a.h <set> one.cc", "a.h <set> x.h <map> two.cc", "<set> <map> a.h 3.cc"]);
    assert_eq!(found, [("<map> <set> \"a.h\" ".to_owned(), vec![0, 1, 2])]);
}

#[test]
fn choice_shares_standard_headers_that_not_all_units_read() {
    let found = texts(&[
        "a.h <map> 1.cc",
        "a.h <map> 2.cc",
        "a.h <map> <set> 3.cc",
        "a.h <map> 4.cc",
        "a.h:1 5.cc",
    ]);
    assert_eq!(found, [("<map> \"a.h\" ".to_owned(), vec![0, 1, 2, 3])]);
}

#[test]
fn choice_shares_standard_headers_that_read_alike_where_places_are_shown() {
    let units =
        ["<map> <set>:9 1.cc", "<map> <set>:9 2.cc", "<map> <set>:9* 3.cc", "<map> <set>:9* 4.cc"];
    let groups = |of: fn(&str) -> Tokens| {
        let units: Vec<Tokens> = [units, units.map(|_| "<map> <set>:9* 5.cc")]
            .concat()
            .iter()
            .map(|text| of(text))
            .collect();
        texts_of(&units).into_iter().map(|(_, members)| members).collect::<Vec<_>>()
    };
    assert_eq!(groups(unit), [[0, 1, 2, 3, 4, 5, 6, 7]]);
    // Two are too few to pay.
    assert_eq!(groups(debug), [[2, 3, 4, 5, 6, 7]]);
}

#[test]
fn choice_finds_units_with_all_the_same_texts_where_places_are_shown() {
    // Most read `<map>` as no unit does that reads `<set>` as most do.
    let kinds =
        [("<map>:100000 <set>:9", 4), ("<map>:100000* <set>:9*", 3), ("<map>:100000* <set>:8", 3)];
    let units: Vec<Tokens> = kinds
        .iter()
        .flat_map(|(text, count)| (0..*count).map(move |_| debug(&format!("{text} 1.cc"))))
        .collect();
    let mut groups: Vec<Vec<usize>> =
        texts_of(&units).into_iter().map(|(_, members)| members).collect();
    groups.sort();
    assert_eq!(groups, [vec![0, 1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]]);
}

#[test]
fn choice_makes_a_group_for_each_way_to_begin_and_leaves_others_alone() {
    let found = texts(&[
        "a.h b.h 1.cc",
        "a.h b.h 2.cc",
        "a.h b.h 3.cc",
        "x.h y.h 4.cc",
        "x.h y.h 5.cc",
        "x.h y.h 6.cc",
        "b.h a.h 7.cc",
    ]);
    let group = |text: &str, members: [usize; 3]| (text.to_owned(), members.to_vec());
    assert_eq!(found, [group("\"a.h\" \"b.h\" ", [0, 1, 2]), group("\"x.h\" \"y.h\" ", [3, 4, 5])]);
}

#[test]
fn choice_includes_files_in_the_order_in_which_they_are_entered() {
    let found = texts(&["a.h:5 b.h a.h:7 c.h 1.cc"; 3]);
    assert_eq!(found, [("\"a.h\" \"b.h\" \"c.h\" ".to_owned(), vec![0, 1, 2])]);
}

#[test]
fn choice_stops_before_state_that_is_left_behind_and_before_incomplete_files() {
    let found = texts(&["a.h !p.h b.h 1.cc", "a.h !p.h b.h 2.cc", "a.h !p.h b.h 3.cc"]);
    assert_eq!(found, [("\"a.h\" ".to_owned(), vec![0, 1, 2])]);
    // No token shows where it was left.
    let found =
        texts(&["<map> a.h !p.h:0 b.h 1.cc", "<map> a.h !p.h:0 b.h 2.cc", "<map> !p.h:0 3.cc"]);
    assert_eq!(found, [("<map> ".to_owned(), vec![0, 1, 2])]);
    // `o.h` begins, includes `a.h`, and goes on differently.
    let found =
        texts(&["a.h o.h:5 b.h o.h:7 1.cc", "a.h o.h:5 b.h o.h:9 2.cc", "a.h o.h:5 b.h 3.cc"]);
    assert_eq!(found, [("\"a.h\" ".to_owned(), vec![0, 1, 2])]);
}

#[test]
fn choice_shares_nothing_where_it_does_not_pay() {
    assert_eq!(texts(&["a.h:90000 1.cc"]), []);
    assert_eq!(texts(&["a.h:9000 1.cc", "a.h:9000 2.cc"]), []);
    // No unit reads what half of them read.
    assert_eq!(texts(&["<a> <b> 1.cc", "<b> <c> 2.cc", "<c> <a> 3.cc"]), []);
}

fn fits(of: &str, headers: &str) -> Result<(), Unfit> {
    let headers = unit(&format!("{headers} shared:0"));
    assert!(is_sound(&headers));
    fit(&unit(of), &headers)
}

#[test]
fn unit_fits_if_the_headers_are_its_first_text() {
    assert_eq!(fits("<map> a.h b.h 1.cc", "a.h"), Ok(()));
    assert_eq!(fits("a.h x.h <map> 1.cc", "<map> a.h"), Ok(()));
    let elsewhere = |name: &str| Err(Unfit::Elsewhere(name.to_owned()));
    assert_eq!(fits("x.h a.h 1.cc", "a.h"), elsewhere("a.h"));
    assert_eq!(fits("b.h a.h 1.cc", "a.h b.h"), elsewhere("a.h"));
    assert_eq!(fits("a.h:100000* b.h 1.cc", "a.h b.h"), elsewhere("a.h"));
    assert_eq!(fits("1.cc:5 a.h 1.cc", "a.h"), elsewhere("a.h"));
    assert_eq!(fits("a.h 1.cc", "<map> a.h"), Err(Unfit::NotIncluded("<map>".to_owned())));
}

#[test]
fn unit_with_debug_information_fits_if_standard_headers_read_alike() {
    let fits = |unit: &str, of: fn(&str) -> Tokens| fit(&of(unit), &of("<map> a.h shared:0"));
    let otherwise = Err(Unfit::Otherwise("<map>".to_owned()));
    assert_eq!(fits("a.h <map>:100000* 1.cc", unit), Ok(()));
    assert_eq!(fits("a.h <map>:100000* 1.cc", debug), otherwise);
    assert_eq!(fits("a.h <map> 1.cc", debug), Ok(()));
    let place = |file: &str| Place { file: file.to_owned(), offset: 0 };
    let pair = Redeclaration { first: place("<map>"), later: place("<set>") };
    let mut headers = debug("<map> <set> a.h shared:0");
    headers.redeclarations.push(pair);
    assert_eq!(fit(&debug("<map> a.h <set> 1.cc"), &headers), Ok(()));
    let redeclared = Err(Unfit::Redeclared("<map>".to_owned()));
    assert_eq!(fit(&debug("<set> a.h <map> 1.cc"), &headers), redeclared);
}

#[test]
fn headers_that_leave_state_behind_are_not_sound() {
    assert!(!is_sound(&unit("a.h !p.h shared:0")));
}

fn checked(rest: &str) -> Result<(), Unfit> {
    check(&unit("a.h <map> b.h 1.cc"), &unit("<map> a.h shared:0"), &unit(rest))
}

#[test]
fn rest_must_be_what_the_unit_yields_alone() {
    assert_eq!(checked("b.h 1.cc"), Ok(()));
    let otherwise = |name: &str| Err(Unfit::Otherwise(name.to_owned()));
    assert_eq!(checked("b.h 1.cc:100000*"), otherwise("1.cc"));
    assert_eq!(checked("1.cc"), otherwise("b.h"));
    assert_eq!(checked("a.h:1 b.h 1.cc"), otherwise("a.h"));
    assert_eq!(checked("<map>:3 b.h 1.cc"), Err(Unfit::StandardText));
}
