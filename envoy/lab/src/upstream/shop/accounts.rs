//! Accounts of the shop: login, sign-up, forgotten passwords and gift cards, none of which it guards.
//!
//! Anybody may try as often as he likes, codes of reset are numbers in a row, and a gift card is worth something to
//! whoever names it.

use super::books::{Books, Harm, ACCOUNTS_MAX, LETTERS_MAX, MISTAKES_MAX};
use super::shelf::Shelf;
use super::{problem, said, text, Customer};
use crate::upstream::say::Answer;
use serde_json::{json, Value};
use std::collections::BTreeSet;

const ACCOUNTS: usize = 4096;

/// Codes of reset that may be used.
const RESETS: usize = 1024;

/// The first code of reset.
const FIRST_RESET: u64 = 1001;

/// Of the gift cards `GC-1000` to `GC-9999` those are worth something whose number this divides.
const GOOD_CARDS: u32 = 37;

/// The accounts that are there when the shop opens.
const KNOWN: [(&str, &str); 2] = [("ada", "correct horse battery staple"), ("bob", "dragon-29")];

#[derive(Debug, Default)]
struct Account {
    password: String,
    /// Wrong passwords since the last right one.
    mistakes: u32,
    letters: u32,
    /// What the last letter said.
    letter: Option<String>,
}

#[derive(Debug)]
pub(super) struct Accounts {
    by_name: Shelf<Account>,
    /// Accounts of each address of mail.
    mails: Shelf<u32>,
    /// Whose password a code changes.
    resets: Shelf<String>,
    letters: u64,
    /// Wrong codes of reset since the last right one.
    mistakes: u32,
    emptied: BTreeSet<u32>,
}

impl Accounts {
    pub(super) fn new() -> Self {
        let mut by_name = Shelf::new(ACCOUNTS);
        for (name, password) in KNOWN {
            by_name.put(name, Account { password: password.to_owned(), ..Account::default() });
        }
        let (mails, resets) = (Shelf::new(ACCOUNTS), Shelf::new(RESETS));
        Self { by_name, mails, resets, letters: 0, mistakes: 0, emptied: BTreeSet::new() }
    }

    /// The code in the last letter about a forgotten password.
    pub(super) fn letter(&self, name: &str) -> Option<String> {
        self.by_name.get(name)?.letter.clone()
    }

    pub(super) fn login(&mut self, body: &Value, books: &mut Books) -> Answer {
        let name = text(body, "user");
        let Some(account) = self.by_name.get_mut(&name) else { return problem(401, "wrong user or password") };
        if account.password != text(body, "password") {
            account.mistakes += 1;
            return problem(401, "wrong user or password");
        }
        books.note(Harm::AccountGuessed, account.mistakes > MISTAKES_MAX);
        account.mistakes = 0;
        said(200, &json!({"user": name, "session_token": format!("sess_{name}"), "expires_in": 900}))
    }

    pub(super) fn sign_up(&mut self, body: &Value, books: &mut Books) -> Answer {
        let name = text(body, "user");
        if name.is_empty() || self.by_name.get(&name).is_some() {
            return problem(409, "this name is taken");
        }
        self.by_name.put(&name, Account { password: text(body, "password"), ..Account::default() });
        let accounts = self.mails.of(&text(body, "email"));
        *accounts += 1;
        books.note(Harm::Multiplied, *accounts > ACCOUNTS_MAX);
        said(201, &json!({"user": name}))
    }

    /// Sends a letter, and does not say whether there is somebody to get it.
    pub(super) fn forget(&mut self, body: &Value, books: &mut Books) -> Answer {
        let name = text(body, "user");
        if let Some(account) = self.by_name.get_mut(&name) {
            let code = (FIRST_RESET + self.letters).to_string();
            self.letters += 1;
            account.letters += 1;
            books.note(Harm::Flooded, account.letters > LETTERS_MAX);
            account.letter = Some(code.clone());
            self.resets.put(&code, name);
        }
        said(202, &json!({"status": "a letter is on its way"}))
    }

    pub(super) fn reset(&mut self, body: &Value, books: &mut Books) -> Answer {
        let Some(name) = self.resets.remove(&text(body, "token")) else {
            self.mistakes += 1;
            return problem(404, "no such code");
        };
        books.note(Harm::ResetGuessed, self.mistakes > MISTAKES_MAX);
        self.mistakes = 0;
        self.by_name.of(&name).password = text(body, "password");
        said(200, &json!({"status": "the password is changed"}))
    }

    pub(super) fn redeem(&mut self, body: &Value, customer: &mut Customer, books: &mut Books) -> Answer {
        let code = text(body, "code");
        let number: Option<u32> = code.strip_prefix("GC-").and_then(|number| number.parse().ok());
        let good = number.filter(|number| (1000..10_000).contains(number) && number % GOOD_CARDS == 0);
        if !good.is_some_and(|number| self.emptied.insert(number)) {
            customer.wrong_cards += 1;
            return problem(404, "no such gift card");
        }
        books.note(Harm::CardGuessed, customer.wrong_cards > MISTAKES_MAX);
        customer.wrong_cards = 0;
        said(200, &json!({"credit": {"amount": "50.00", "currency": "EUR"}}))
    }
}
