//! Commands for a shell (CWE-78), and what other interpreters run as one.
//!
//! A separator and a command after it, a command within another one, a download that is run. A command alone is a word, and
//! people write about commands: what has no separator is left to the model. Not covered: commands of one's own programs.

use super::{check, Detector, CERTAIN, LIKELY, POSSIBLE};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check("payload.command", "payload_command", "A value looks like a command for a shell, or code for an interpreter."),
    hints: "; | || && & ` $( newline < > id cat ls shell_system echo cmd bin sh bash etc shell_reader shell_network shell_interpreter php_word sleep exec eval <? system = @ + -",
    phrases: &[
        phrase("a command after a separator", CERTAIN, &["edge", "opt @word number @quote", "opt @quote )", "; | || && &", "opt @quote {", "cat id ls shell_system sleep sh bash cmd shell_network shell_interpreter", "edge ; | & - / word number @quote && || \\ > $ sys_file . *"]),
        phrase("a command after a separator", LIKELY, &["; | || && & newline", "opt @quote {", "cat id ls shell_system sleep sh bash cmd shell_network shell_interpreter", "edge ; | & - / number && ||"]),
        phrase("a reader after a separator", LIKELY, &["; | || && &", "shell_reader cat echo", "/ - @quote < $ word sys_file"]),
        phrase("a reader after a name", CERTAIN, &["edge", "@word", "opt .", "opt @word", "; | || &&", "shell_reader cat", "/ - word"]),
        phrase("what is piped to a shell", CERTAIN, &["|", "sh bash", "edge ; | & -"]),
        phrase("a path of a program", CERTAIN, &["; | || && & ` $( @quote < = edge", "opt /", "sys_folder /", "opt /", "bin", "/", "@word"]),
        phrase("a command in a command", CERTAIN, &["$(", "cat id ls shell_system echo sleep shell_network shell_interpreter shell_reader"]),
        phrase("a command in a command", LIKELY, &["edge", "opt @word number @quote", "`", "cat id ls shell_system echo sleep shell_network shell_interpreter shell_reader", "` - / word", "opt `", "edge"]),
        phrase("a download", LIKELY, &["shell_network", "gap", "http https", "://"]),
        phrase("a shell", LIKELY, &["shell_interpreter bash sh shell_network", "-", "word html_tag", "gap", "bin /"]),
        phrase("no spaces", CERTAIN, &["cat ls id shell_reader shell_network shell_system", "$ ${", "shell_interpreter"]),
        phrase("a function of an interpreter", CERTAIN, &["php_word system exec eval", "(", "opt @quote $", "cat id ls shell_system echo script_scheme php_word shell_network sleep _ $"]),
        phrase("an interpreter's element", LIKELY, &["<?", "php_word shell_interpreter = echo system"]),
        phrase("a formula", CERTAIN, &["= + - @", "cmd shell_interpreter word", "|", "@quote"]),
        phrase("a formula that asks", LIKELY, &["edge", "= + - @", "word", "(", "gap", "http https cmd"]),
        phrase("a command", POSSIBLE, &["edge", "shell_system shell_network cat", "- / number word"]),
        phrase("a command", POSSIBLE, &["`", "cat id ls shell_system echo sleep shell_network shell_interpreter shell_reader"]),
    ],
};
