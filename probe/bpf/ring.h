// When whoever reads a ring is woken, which comes by in a while anyway: when that much is in it.

static u64 (*ring_query)(void *ring, u64 what) = (void *)134;

enum { BPF_RB_AVAIL_DATA = 0, BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

// The flags that a record is put into it with. It may be that several processors each put one where the mark was.
static __attribute__((always_inline)) u64 woken_from(void *ring, u64 bytes, u64 record)
{
	u64 there = ring_query(ring, BPF_RB_AVAIL_DATA);

	return there >= bytes && there < bytes + 8 * record ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}
