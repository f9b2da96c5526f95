"""The Linkage OneCard API 1.0.1 (联创市民卡): top-ups paid by phone, at counters, from prepaid accounts and cards."""
