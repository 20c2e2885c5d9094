//! Generated callers of a shop: customers, and abusers of known kinds that imitate customers more or less.
//!
//! **Customers** come in sittings: they look around, search, open products, fill a cart, now and then log in and check out. The
//! time from one request to the next is log-normal, as measured of people (a median of 8 seconds, a third to three times of it as
//! one deviation); each person has a pace of its own, within a factor of 1.5. How many sit down follows the hour of the day. Some
//! mistype a password or follow a dead link. One in ten has an app that polls: regular, seldom, and with little variety.
//!
//! **Abusers** have a machine's rhythm and a purpose: see [`Kind`]. With imitation `m` from 0 to 1 every time between two requests is
//! the machine's and a person's, mixed by their logarithms, so is how much it varies, and so often a step is a customer's instead of
//! one for the purpose. At 1 nothing is left to tell them by but what they are after, which is nothing.
//!
//! All of it follows from a seed. Not covered: abusers that change addresses, and customers' own scripts.

use super::Dice;

/// Milliseconds of an hour.
pub(super) const HOUR: u64 = 3_600_000;

/// What a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Customer,
    /// Copies the catalogue: product after product.
    Scraper,
    /// Looks at one product until it is there, and buys it.
    Scalper,
    /// Tries passwords.
    CredentialChecker,
    /// Tries passwords too, and takes half a minute for each.
    SlowStuffer,
    /// Tries numbers of orders, few of which exist.
    Enumerator,
    /// Takes out everything, in the largest pages there are.
    Exporter,
}

impl Kind {
    pub(super) const ABUSERS: [Self; 6] = [
        Self::Scraper,
        Self::Scalper,
        Self::CredentialChecker,
        Self::SlowStuffer,
        Self::Enumerator,
        Self::Exporter,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Scraper => "scraper",
            Self::Scalper => "scalper",
            Self::CredentialChecker => "credential checker",
            Self::SlowStuffer => "slow stuffer",
            Self::Enumerator => "enumerator",
            Self::Exporter => "exporter",
        }
    }

    /// Milliseconds between two requests of the machine, and how much they vary, as natural logarithms.
    const fn rhythm(self) -> (f64, f64) {
        match self {
            Self::Customer => (8_000.0, 1.1),
            Self::Scraper => (700.0, 0.1),
            Self::Scalper => (1_500.0, 0.05),
            Self::CredentialChecker => (900.0, 0.2),
            Self::SlowStuffer => (30_000.0, 0.3),
            Self::Enumerator => (600.0, 0.1),
            Self::Exporter => (2_000.0, 0.15),
        }
    }
}

/// One request, and what the service answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) request_bytes: u64,
    pub(super) status: u16,
    pub(super) bytes: u64,
}

/// One caller.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) kind: Kind,
    dice: Dice,
    imitation: f64,
    /// How much slower than the median.
    pace: f64,
    polls: bool,
    page: Page,
    /// Requests left of a sitting.
    left: usize,
    next: u64,
}

/// Where a customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Outside,
    Home,
    Search,
    Product,
    Cart,
    Login,
    Checkout,
    Order,
}

impl Caller {
    pub(super) fn new(kind: Kind, imitation: f64, seed: u64, now: u64) -> Self {
        let mut dice = Dice::new(seed);
        let pace = (normal(&mut dice) * 0.4).exp();
        let polls = kind == Kind::Customer && dice.below(10) == 0;
        let next = now + dice.below(HOUR as usize) as u64;
        Self { kind, dice, imitation, pace, polls, page: Page::Outside, left: 0, next }
    }

    /// When its next request is due.
    pub(super) const fn due(&self) -> u64 {
        self.next
    }

    /// Makes its next request.
    pub(super) fn visit(&mut self) -> Visit {
        let mimics = self.chance(self.imitation);
        let visit = match self.kind {
            Kind::Customer if self.polls => seen("GET", "/cart", 200, self.around(600.0)),
            Kind::Customer => self.browse(),
            _ if mimics => self.browse(),
            kind => self.abuse(kind),
        };
        self.next += self.pause();
        visit
    }

    fn pause(&mut self) -> u64 {
        if self.polls {
            return (20_000.0 * (normal(&mut self.dice) * 0.15).exp()) as u64;
        }
        let (person, spread) = Kind::Customer.rhythm();
        let (machine, jitter) = self.kind.rhythm();
        let m = if self.kind == Kind::Customer { 1.0 } else { self.imitation };
        let median = machine.powf(1.0 - m) * (person * self.pace).powf(m);
        let gap = median * (normal(&mut self.dice) * (jitter * (1.0 - m) + spread * m)).exp();
        self.left = self.left.saturating_sub(1);
        if self.left > 0 || (self.kind != Kind::Customer && !self.chance(m)) {
            return gap as u64 + 1;
        }
        // The next sitting, sooner by day than by night.
        self.left = 6 + self.dice.below(25);
        self.page = Page::Outside;
        let hour = (self.next / HOUR) % 24;
        let rest = if (8..22).contains(&hour) { 20.0 } else { 90.0 } * 60_000.0;
        (rest * self.unit().max(0.001).ln().abs() + 180_000.0) as u64
    }

    /// One step of a person.
    fn browse(&mut self) -> Visit {
        let roll = self.dice.below(100);
        self.page = match (self.page, roll) {
            (Page::Outside, 0..=69) => Page::Home,
            (Page::Outside, _) => Page::Product,
            (Page::Home, 0..=59) => Page::Search,
            (Page::Home, 60..=84) => Page::Product,
            (Page::Home, 85..=94) => Page::Login,
            (Page::Checkout, 0..=49) | (Page::Login, 75..=94) | (Page::Order, 0..=39) => Page::Order,
            (Page::Search, 0..=54) => Page::Product,
            (Page::Search, 55..=79) => Page::Search,
            (Page::Product, 0..=34) => Page::Product,
            (Page::Product, 35..=59) => Page::Search,
            (Page::Product, 60..=79) => Page::Cart,
            (Page::Cart, 0..=29) => Page::Login,
            (Page::Cart, 30..=69) => Page::Product,
            (Page::Login, 0..=59) => Page::Checkout,
            (Page::Login, 60..=74) => Page::Login,
            _ => Page::Home,
        };
        match self.page {
            Page::Outside | Page::Home => seen("GET", "/", 200, self.around(12_000.0)),
            Page::Search => seen("GET", "/search", 200, self.around(9_000.0)),
            Page::Product if self.dice.below(50) == 0 => seen("GET", "/products/gone", 404, 120),
            Page::Product => seen("GET", "/products/7", 200, self.around(15_000.0)),
            Page::Cart => seen("GET", "/cart", 200, self.around(2_000.0)),
            Page::Login => {
                let status = if self.dice.below(5) == 0 { 401 } else { 200 };
                Visit { request_bytes: self.around(70.0), ..seen("POST", "/login", status, 300) }
            }
            Page::Order => seen("GET", "/orders/11", 200, self.around(1_500.0)),
            Page::Checkout => Visit { request_bytes: self.around(900.0), ..seen("POST", "/checkout", 200, 800) },
        }
    }

    /// One step for the purpose.
    fn abuse(&mut self, kind: Kind) -> Visit {
        let roll = self.dice.below(100);
        match kind {
            Kind::Scraper if roll < 8 => seen("GET", "/search", 200, self.around(9_000.0)),
            Kind::Scraper if roll < 12 => seen("GET", "/products/gone", 404, 120),
            Kind::Scraper | Kind::Customer => seen("GET", "/products/8", 200, self.around(15_000.0)),
            Kind::Scalper if roll < 15 => {
                Visit { request_bytes: self.around(900.0), ..seen("POST", "/checkout", 409, 200) }
            }
            Kind::Scalper => seen("GET", "/products/9", 200, self.around(15_000.0)),
            Kind::CredentialChecker | Kind::SlowStuffer => {
                let status = if roll < 3 { 200 } else { 401 };
                Visit { request_bytes: self.around(70.0), ..seen("POST", "/login", status, 300) }
            }
            Kind::Enumerator if roll < 15 => seen("GET", "/orders/12", 200, self.around(1_500.0)),
            Kind::Enumerator => seen("GET", "/orders/13", 404, 120),
            Kind::Exporter => seen("GET", "/search", 200, self.around(400_000.0)),
        }
    }

    fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    fn unit(&mut self) -> f64 {
        self.dice.below(1_000_000) as f64 / 1_000_000.0
    }

    /// A length like others of its kind.
    fn around(&mut self, bytes: f64) -> u64 {
        (bytes * (normal(&mut self.dice) * 0.3).exp()) as u64
    }
}

const fn seen(method: &'static str, path: &'static str, status: u16, bytes: u64) -> Visit {
    Visit { method, path, request_bytes: 0, status, bytes }
}

/// A number of the standard normal distribution: the sum of twelve of the uniform one (Irwin and Hall).
fn normal(dice: &mut Dice) -> f64 {
    (0..12).map(|_| dice.below(1_000_000) as f64 / 1_000_000.0).sum::<f64>() - 6.0
}
