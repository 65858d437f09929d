/* IP in IP without the kernel's ipip device: RFC 2003 by two clsact programs.
 *
 * `encap` sits on the egress of a TUN that has the tunnel's name. Routes point at that TUN as they would at the
 * real device, `via NODE dev tunl0 onlink`, so the outer destination is the route's gateway, MTU and PMTU are
 * the kernel's own, and BIRD or a `route add` needs to know nothing of this. `decap` sits on the ingress of the
 * underlay device and hands the inner packet to the TUN, as net/ipv4/ipip.c would.
 *
 * As the real device does with `ttl inherit`: outer TTL, TOS and DF are the inner packet's. Segments stay whole
 * (FIXED_GSO): the outer length is that of the large packet and the device below cuts it.
 *
 * The three constants are filled in per node after compilation (bpf.py), because indices differ.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define SECTION(name) __attribute__((section(name), used))

/* The empty asm keeps the compiler from folding a marker into anything, the checksum above all. */
#define FILLED_IN(marker) ({ u32 value_ = (marker); asm volatile("" : "+r"(value_)); value_; })
#define TUN_INDEX FILLED_IN(0x0C41AB00)
#define UNDERLAY_INDEX FILLED_IN(0x0C41AB11)
#define NODE_ADDRESS FILLED_IN(0x0C41AB22)

#define ETH_LEN 14
#define AF_INET 2
#define PROTO_IPIP 4
#define DF 0x4000

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct ip4 {
	u8 version_length, tos;
	u16 length, id, fragment;
	u8 ttl, protocol;
	u16 checksum;
	u32 source, destination;
};

static long (*fib_lookup)(void *, struct bpf_fib_lookup *, int, u32) = (void *)BPF_FUNC_fib_lookup;
static long (*adjust_room)(struct __sk_buff *, int, u32, u64) = (void *)BPF_FUNC_skb_adjust_room;
static long (*change_head)(struct __sk_buff *, u32, u64) = (void *)BPF_FUNC_skb_change_head;
static long (*load_bytes)(const struct __sk_buff *, u32, void *, u32) = (void *)BPF_FUNC_skb_load_bytes;
static long (*store_bytes)(struct __sk_buff *, u32, const void *, u32, u64) = (void *)BPF_FUNC_skb_store_bytes;
static long (*redirect)(u32, u64) = (void *)BPF_FUNC_redirect;
static long (*redirect_neigh)(u32, void *, int, u64) = (void *)BPF_FUNC_redirect_neigh;
static u32 (*random32)(void) = (void *)BPF_FUNC_get_prandom_u32;

#define big16(x) __builtin_bswap16(x)

/* RFC 1071 over the ten words of a header without options. */
static inline u16 header_checksum(const struct ip4 *header)
{
	const u16 *word = (const u16 *)header;
	u32 sum = 0;
	int i;
#pragma GCC unroll 10
	for (i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

SECTION("tc/encap") int ipip_encap(struct __sk_buff *skb)
{
	struct bpf_fib_lookup fib;
	struct ip4 inner, outer;
	long found;

	if (skb->protocol != big16(0x0800))
		return TC_ACT_SHOT; /* ipip carries IPv4 and nothing else */
	if (load_bytes(skb, 0, &inner, sizeof(inner)))
		return TC_ACT_SHOT;

	/* The route that brought the packet here names the other node as its gateway. */
	__builtin_memset(&fib, 0, sizeof(fib));
	fib.family = AF_INET;
	fib.ipv4_src = inner.source;
	fib.ipv4_dst = inner.destination;
	fib.ifindex = TUN_INDEX;
	found = fib_lookup(skb, &fib, sizeof(fib), BPF_FIB_LOOKUP_OUTPUT);
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return TC_ACT_SHOT;

	outer.version_length = 0x45;
	outer.tos = inner.tos;
	outer.length = big16(skb->len + sizeof(outer));
	outer.id = random32() | 1;
	outer.fragment = inner.fragment & big16(DF);
	outer.ttl = inner.ttl;
	outer.protocol = PROTO_IPIP;
	outer.checksum = 0;
	outer.source = NODE_ADDRESS;
	outer.destination = fib.ipv4_dst;
	outer.checksum = header_checksum(&outer);

	if (adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
		return TC_ACT_SHOT;
	if (store_bytes(skb, 0, &outer, sizeof(outer), BPF_F_INVALIDATE_HASH))
		return TC_ACT_SHOT;
	if (change_head(skb, ETH_LEN, 0)) /* redirect_neigh wants room for the Ethernet header it fills in */
		return TC_ACT_SHOT;
	return redirect_neigh(UNDERLAY_INDEX, 0, 0, 0);
}

SECTION("tc/decap") int ipip_decap(struct __sk_buff *skb)
{
	struct ip4 outer;

	if (skb->protocol != big16(0x0800) || load_bytes(skb, ETH_LEN, &outer, sizeof(outer)))
		return TC_ACT_OK;
	if (outer.protocol != PROTO_IPIP || outer.version_length != 0x45 || outer.destination != NODE_ADDRESS)
		return TC_ACT_OK;
	if (adjust_room(skb, -(int)sizeof(outer), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return TC_ACT_SHOT;
	return redirect(TUN_INDEX, BPF_F_INGRESS);
}

char program_license[] SECTION("license") = "GPL";
