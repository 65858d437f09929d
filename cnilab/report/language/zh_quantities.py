"""What is measured, in Chinese: the noun, how it is more or less, and the question a figure of it answers.

``less`` and ``more`` are adjectives that take both 比……低 and 低于.
"""

from __future__ import annotations

from cnilab.report.language.base import Quantity

#: (metric, stat) -> its words.
QUANTITIES: dict[tuple[str, str], Quantity] = {
    ("goodput_bps", "value"): Quantity("有效吞吐量", "低", "高", "倍", "各模式的有效吞吐量是多少？"),
    ("throughput_bps", "value"): Quantity("吞吐量", "低", "高", "倍", "各模式不丢包时能承载多少流量？"),
    ("rtt_s", "p50"): Quantity("往返时延中位数", "低", "高", "倍", "一次典型的往返需要多长时间？"),
    ("rtt_s", "p99"): Quantity("第 99 百分位往返时延", "低", "高", "倍", "最慢的那些往返需要多长时间？"),
    ("rtt_s", "mean"): Quantity("平均往返时延", "低", "高", "倍", "往返平均需要多长时间？"),
    ("rtt_s", "p90"): Quantity("第 90 百分位往返时延", "低", "高", "倍", "较慢的往返需要多长时间？"),
    ("rtt_s", "max"): Quantity("最大往返时延", "低", "高", "倍", "最慢的一次往返需要多长时间？"),
    ("transaction_rate_per_s", "value"): Quantity("事务速率", "低", "高", "倍", "每秒能完成多少次事务？"),
    ("connection_rate_per_s", "value"): Quantity("新建连接速率", "低", "高", "倍", "每秒能新建多少个连接？"),
    ("request_rate_per_s", "value"): Quantity("请求速率", "低", "高", "倍", "每秒能处理多少个请求？"),
    ("latency_s", "p50"): Quantity("延迟中位数", "短", "长", "倍", "典型的请求要多久？"),
    ("latency_s", "p99"): Quantity("99 百分位延迟", "短", "长", "倍", "最慢的请求要多久？"),
    ("cpu_s_per_request", "value"): Quantity(
        "每请求 CPU 时间", "少", "多", "倍", "一个请求要花多少 CPU 时间？"
    ),
    ("packet_rate_per_s", "value"): Quantity("包速率", "低", "高", "倍", "每秒能转发多少个数据包？"),
    ("cpu_s_per_byte", "value"): Quantity(
        "每字节 CPU 时间", "少", "多", "倍", "每传一个字节要花多少 CPU 时间？"
    ),
    ("cpu_s_per_transaction", "value"): Quantity(
        "每次事务 CPU 时间", "少", "多", "倍", "完成一次事务要花多少 CPU 时间？"
    ),
    ("wire_bytes_per_byte", "value"): Quantity(
        "每字节数据的线上字节数", "少", "多", "倍", "每传一个字节，线上要走多少字节？"
    ),
    ("retransmitted_segments", "value"): Quantity("重传报文段数", "少", "多", "倍", "有多少报文段要重传？"),
    ("loss_ratio", "value"): Quantity("丢包率", "低", "高", "倍", "丢失的数据包占多大比例？"),
    ("cpu_s", "value"): Quantity("CPU 时间", "少", "多", "倍", "守护进程需要多少 CPU 时间？"),
    ("rss_bytes", "value"): Quantity("内存", "少", "多", "倍", "守护进程占用多少内存？"),
    ("converged_s", "value"): Quantity("持有全部路由所需时间", "短", "长", "倍", "多久之后每个节点持有全部路由？"),
}
