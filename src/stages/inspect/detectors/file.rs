//! Files that nobody offered: path traversal and file inclusion (CWE-22, CWE-98).
//!
//! Steps upwards, absolute paths of files that matter to a system, addresses where a file's name belongs. Not covered: names of
//! the application's own files.

use super::{check, Detector, CERTAIN, LIKELY, POSSIBLE};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check("payload.file", "payload_file", "A value looks like the path of a file that nobody offered, or the address of one to be included."),
    hints: "../ ..\\ .. / \\ \\\\ // etc passwd windows sys_file proc sys_folder stream_wrapper file file_ending path_traversal_word http https :// %",
    phrases: &[
        phrase("steps upwards", CERTAIN, &["../ ..\\", "opt / \\ //", "../ ..\\"]),
        phrase("a step upwards to a file", LIKELY, &["../ ..\\ ..", "gap", "etc passwd windows sys_file proc path_traversal_word"]),
        phrase("a file of the system", CERTAIN, &["edge", "opt .. ../ ..\\ word @quote : .", "/ \\ // ../", "opt / \\", "etc", "/ \\ //", "passwd sys_file group word"]),
        phrase("a file of the system", LIKELY, &["/ \\ //", "etc", "/ \\ //", "passwd sys_file word group"]),
        phrase("a file of the system", CERTAIN, &["/ \\", "proc", "/ \\", "sys_file self number", "/ \\"]),
        phrase("a file of the system", POSSIBLE, &["/", "sys_folder", "/", "sys_file word", "opt / .", "opt sys_file word"]),
        phrase("a file of Windows", LIKELY, &["word html_tag", ":", "/ \\ \\\\ //", "windows sys_file sys_folder"]),
        phrase("a stream", CERTAIN, &["stream_wrapper file data shell_interpreter expression", "://", "opt /", "@word"]),
        phrase("a file that is included", LIKELY, &["file_ending", "?", "gap", "=", "http https", "://"]),
        phrase("an address for a path", LIKELY, &["=", "http https stream_wrapper", "://"]),
        phrase("a step upwards", POSSIBLE, &["../ ..\\"]),
    ],
};
