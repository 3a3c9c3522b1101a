// What goes wrong with TCP of all network namespaces and shows in no change of a socket's state: connections that get no
// answer to what they send again and again, and calls that are refused because nobody listens. Summed in the kernel: a
// storm of them costs no event.

#include "kernel.h"
#include "packet.h"

static u64 (*cookie_of)(void *sk) = (void *)46;

enum { SYN_SENT = 2, SYN_RECV = 3 };
// Of the header's flags.
enum { SYN = 0x02, ACK = 0x10 };

struct inet_connection_sock { u8 icsk_retransmits; } KERNELS;
struct net_device { possible_net_t nd_net; } KERNELS;
struct sk_buff {
	struct net_device *dev;
	unsigned char *head;
	u16 network_header;
	u16 protocol;
} KERNELS;

// One segment may be lost by chance, and the next with it: from so many times in a row on, each of which waits twice as
// long as the one before, nothing comes through.
enum { IN_A_ROW = 3 };

// What sockets sent again like that: once for the first time, twice for the next one, and so on, as the last ones are
// minutes apart. What is more than that pushes out what was silent for the longest time.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u64);
} unanswered SEC(".maps");

// Who was refused by whom, as the namespace that refuses sees it.
struct refusal {
	u64 namespace_cookie;
	u32 namespace;
	u16 local_port;
	u16 family;
	u8 local[16];
	u8 remote[16];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct refusal);
	__type(value, u64);
} refusals SEC(".maps");

static __attribute__((always_inline)) void count(void *map, void *key, u64 times)
{
	u64 *so_far = map_lookup(map, key);

	if (so_far)
		__sync_fetch_and_add(so_far, times);
	else
		map_update(map, key, &times, 0);
}

SEC("tp_btf/tcp_retransmit_skb")
int sent_again(u64 *context)
{
	struct sock *sk = (void *)context[0];
	u8 in_a_row = 0, state = sk->__sk_common.skc_state;
	u64 cookie;

	// Who calls is told of when that has come to nothing.
	if (state == SYN_SENT || state == SYN_RECV)
		return 0;
	read_kernel(&in_a_row, sizeof(in_a_row), &((struct inet_connection_sock *)sk)->icsk_retransmits);
	if (in_a_row < IN_A_ROW)
		return 0;
	cookie = cookie_of(sk);
	count(&unanswered, &cookie, in_a_row - IN_A_ROW + 1);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int answered_with_a_reset(u64 *context)
{
	struct sock *sk = (void *)context[0];
	struct sk_buff *skb = (void *)context[1];
	struct refusal refusal = {};
	struct net *net;
	unsigned char *header;
	u8 tcp[14];

	// What ends a connection shows in its state. Before 6.10 no other is told here.
	if (sk || !skb)
		return 0;
	header = transport_of(skb->head + skb->network_header, __builtin_bswap16(skb->protocol), IPPROTO_TCP, &refusal.family,
			      refusal.remote, refusal.local);
	if (!header)
		return 0;
	// Only a first word is a call: what comes late for a connection that is over is refused too.
	if (read_kernel(tcp, sizeof(tcp), header) || (tcp[13] & (SYN | ACK)) != SYN)
		return 0;
	refusal.local_port = (u16)tcp[2] << 8 | tcp[3];
	net = COPIED(COPIED(skb->dev)->nd_net.net);
	refusal.namespace_cookie = cookie_of_namespace(net);
	refusal.namespace = COPIED(net->ns.inum);
	count(&refusals, &refusal, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
