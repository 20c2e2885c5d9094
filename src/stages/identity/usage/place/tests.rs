use super::*;
use crate::memory::record::Debt;
use proptest::prelude::*;

fn at(latitude: f64, longitude: f64) -> Coordinates {
    let place = |text: f64, most| thousandths(&format!("{text}"), most).unwrap();
    Coordinates { latitude: place(latitude, LATITUDE_MAX), longitude: place(longitude, LONGITUDE_MAX) }
}

/// The angle between the two as vectors, which needs no haversine.
fn by_vectors(one: (f64, f64), other: (f64, f64)) -> f64 {
    let vector = |(north, east): (f64, f64)| {
        let (north, east) = (north.to_radians(), east.to_radians());
        [north.cos() * east.cos(), north.cos() * east.sin(), north.sin()]
    };
    let ([a, b, c], [x, y, z]) = (vector(one), vector(other));
    let cross = ((b * z - c * y).powi(2) + (c * x - a * z).powi(2) + (a * y - b * x).powi(2)).sqrt();
    RADIUS_KM * cross.atan2(a * x + b * y + c * z)
}

#[test]
fn distances_are_those_of_the_atlas() {
    for (one, other, km) in [
        (at(47.3769, 8.5417), at(40.7128, -74.006), 6322.0),
        (at(51.5074, -0.1278), at(-33.8688, 151.2093), 16_994.0),
        (at(0.0, 179.9), at(0.0, -179.9), 22.2),
        (at(90.0, 12.0), at(90.0, -120.0), 0.0),
        (at(-90.0, 0.0), at(90.0, 0.0), 20_015.0),
    ] {
        let distance = one.distance_km(other);
        assert!((distance - km).abs() < 10.0, "{distance} instead of {km}");
    }
}

#[test]
fn what_is_no_number_is_no_place() {
    for bad in [
        "",
        "-",
        ".",
        "-.5",
        "+1",
        "1e1",
        "NaN",
        "inf",
        "90.001",
        "-90.001",
        "91",
        "0091",
        "1.2.3",
        "1,5",
        "1 2",
        "٣",
        "--1",
        "0x1",
        "1.-5",
        "99999999999999999999",
    ] {
        assert_eq!(thousandths(bad, LATITUDE_MAX), None, "{bad}");
    }
    for (good, north) in [("0", 90_000), ("-0", 90_000), (" 47.3769 ", 137_376), ("5.", 95_000), ("-90", 0)] {
        assert_eq!(thousandths(good, LATITUDE_MAX), Some(north), "{good}");
    }
    let long = format!("1.{}", "9".repeat(50_000));
    assert_eq!(thousandths(&long, LATITUDE_MAX), Some(91_999));
}

proptest! {
    #[test]
    fn distances_are_those_between_vectors(
        one in (-90.0..90.0_f64, -180.0..180.0_f64), other in (-90.0..90.0_f64, -180.0..180.0_f64),
    ) {
        let distance = at(one.0, one.1).distance_km(at(other.0, other.1));
        // Thousandths of a degree: 157 m at each end.
        prop_assert!((distance - by_vectors(one, other)).abs() < 0.4, "{distance}");
        prop_assert_eq!(distance, at(other.0, other.1).distance_km(at(one.0, one.1)));
    }

    #[test]
    fn degrees_are_read_as_numbers_are(degrees in -180.0..180.0_f64, digits in 0_usize..12) {
        let text = format!("{degrees:.digits$}");
        let number: f64 = text.parse().unwrap();
        let read = f64::from(thousandths(&text, LONGITUDE_MAX).unwrap()) / 1000.0 - 180.0;
        prop_assert!((read - number).abs() < 0.001_001, "{text} is read as {read}");
    }

    #[test]
    fn no_text_is_too_much(text in ".*") {
        prop_assert!(thousandths(&text, LATITUDE_MAX).is_none_or(|north| north <= 2 * LATITUDE_MAX));
    }

    #[test]
    fn places_are_stored_as_they_are(
        second in 1_u32.., country: [u16; 2], fast: u16,
        at in prop::option::of((0..=2 * LATITUDE_MAX, 0..=2 * LONGITUDE_MAX)),
    ) {
        let at = at.map(|(latitude, longitude)| Coordinates { latitude, longitude });
        let country = Mark { seen: country[0], other: Ago(country[1]) };
        let place = Place { second, country, at, too_fast: Ago(fast) };
        let mut record = Record::new(1, Debt::default());
        prop_assert_eq!(Place::of(&record), None);
        record.settle(place.state(), Debt::default());
        prop_assert_eq!(Place::of(&record), Some(place));
    }
}
