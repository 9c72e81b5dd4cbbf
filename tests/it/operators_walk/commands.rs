//! The commands that a page tells its reader to run.

use std::collections::VecDeque;

/// The commands of a Markdown page, in order: code blocks, and code within a sentence that begins with a program's name.
pub(super) fn of_page(page: &str) -> VecDeque<String> {
    let mut commands = VecDeque::new();
    for (number, part) in page.split("```").enumerate() {
        if number % 2 == 1 {
            let (_, block) = part.split_once('\n').unwrap();
            commands.extend(of_block(block.lines()));
        } else {
            let spans = part.split('`').skip(1).step_by(2).map(words);
            commands.extend(spans.filter(|span| is_command(span)));
        }
    }
    commands
}

/// The commands in the comments of a file. They are indented.
pub(super) fn of_comments(file: &str) -> VecDeque<String> {
    of_block(file.lines().filter_map(|line| line.strip_prefix("#   "))).into()
}

/// Commands with their line breaks. A line that ends with a backslash or a pipe goes on.
fn of_block<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut commands = vec![String::new()];
    for line in lines {
        let last = commands.last_mut().unwrap();
        last.push_str(line);
        last.push('\n');
        if !line.ends_with(['\\', '|']) {
            commands.push(String::new());
        }
    }
    commands.retain(|command| !command.trim().is_empty());
    commands.iter().map(|command| command.trim().to_owned()).collect()
}

fn is_command(span: &str) -> bool {
    let program = span.split_once(' ').map(|(program, _)| program).unwrap_or_default();
    !program.is_empty() && program.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_./".contains(c))
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn blocks_spans_and_comments_are_commands() {
    let page = "Run `aws deploy\n--stack x` on `checkout.yaml`.\n```sh\na b |\n  c \\\n    d\ne f\n```\nSet `x: 1`, then `g h`.";
    assert_eq!(of_page(page), ["aws deploy --stack x", "a b |\n  c \\\n    d", "e f", "g h"]);
    assert_eq!(of_comments("# For a new cluster:\n#   kubeadm init\nkind: x\n"), ["kubeadm init"]);
}
