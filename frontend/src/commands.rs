//! Which commands of the palette fit what is typed.

/// How well a command fits: the lower the better, none where it does not. Words may be begun only, and in any order.
pub fn fit(typed: &str, title: &str) -> Option<usize> {
    let title = title.to_lowercase();
    let words: Vec<&str> = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut worse = 0;
    for typed in typed.to_lowercase().split_whitespace() {
        worse += match words.iter().position(|word| word.starts_with(typed)) {
            Some(at) => at,
            None if title.contains(typed) => 10,
            None => return None,
        };
    }
    Some(worse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_begun_fit_in_any_order_best_where_they_stand_first() {
        assert_eq!(fit("", "Go to Containers"), Some(0));
        assert_eq!(fit("cont go", "Go to Containers"), fit("go cont", "Go to Containers"));
        assert!(fit("theme", "Theme: dark") < fit("dark", "Theme: dark"));
        assert!(fit("tainers", "Go to Containers").is_some_and(|worse| worse >= 10));
        assert_eq!(fit("xyz", "Go to Containers"), None);
        assert_eq!(fit("go xyz", "Go to Containers"), None);
    }
}
