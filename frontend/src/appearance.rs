//! In which colours the page is shown: as the system has it, or as somebody chose.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Appearance {
    #[default]
    System,
    Light,
    Dark,
    /// Everything far apart, for weak eyes and bad screens.
    Contrast,
}

impl Appearance {
    pub const ALL: [Self; 4] = [Self::System, Self::Light, Self::Dark, Self::Contrast];

    pub fn id(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
            Self::Contrast => "contrast",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.id() == id)
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::System => "as the system",
            Self::Light => "light",
            Self::Dark => "dark",
            Self::Contrast => "high contrast",
        }
    }

    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|one| *one == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// The theme of `tokens.css`.
    pub fn theme(self, system_is_light: bool) -> &'static str {
        match self {
            Self::System if system_is_light => "light",
            Self::System => "dark",
            chosen => chosen.id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_follows_another_and_is_known_by_its_id() {
        let mut seen = vec![Appearance::System];
        while seen.len() < Appearance::ALL.len() {
            seen.push(seen[seen.len() - 1].next());
        }
        assert_eq!(seen, Appearance::ALL);
        assert!(Appearance::ALL.into_iter().all(|one| Appearance::from_id(one.id()) == Some(one)));
        assert_eq!((Appearance::System.theme(true), Appearance::Contrast.theme(true)), ("light", "contrast"));
    }
}
