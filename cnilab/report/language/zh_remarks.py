"""What the remarks of readers mean, in Chinese; the codes are :mod:`cnilab.measurements.remarks`'."""

from __future__ import annotations

REMARKS: dict[str, str] = {
    "below_resolution": "打印为 0 的时间低于工具能打印的精度；已舍去",
    "both_directions": "两个方向合计的一个速率，与工具打印的一致",
    "clocks_apart": "单向时延小于零：两端的时钟不一致；已舍去",
    "columns_unnamed": "数据行没有表头；按工具通常的列序读取",
    "confidence_not_met": "netperf 没有达到要求的置信度；宽度是它实际达到的",
    "datagrams_impossible": "字节数除以包数超过数据报的上限；包速率和丢包率已舍去",
    "every_answer_an_error": "每个应答都是错误；速率和时延是错误应答的",
    "goodput_from_loss": "接收端的速率由发送端的速率和接收端的丢包率推算",
    "latencies_only": "只有单个时延，没有它们的时刻；没有速率",
    "latency_unreadable": "打印的时延没有单位，或不是数字；已舍去",
    "max_below_mean_by_rounding": "因舍入，打印的最大值低于平均值；已舍去",
    "more_received_than_sent": "收到的比发出的多；小于零的丢包率已舍去",
    "no_times": "输出中没有任何应答的时间；只有丢包率",
    "parallel_assumed": "输出没有说明，同时进行的流视为同一测试的",
    "rate_and_bytes_disagree": "打印的速率不等于字节数除以秒数；后两者精确时以它们为准",
    "rate_from_rows": "速率由单个请求推算：请求数除以它们跨越的时间",
    "receiver_missing": "缺少接收端的数字；没有用发送端的代替",
    "results_as_blocks": "一个文件中有同一测试的多个结果而没有区组名；第 k 个视为区组 k",
    "reverse": "服务端发送，客户端接收",
    "role_from_ports": "输出没有说明谁是发送端，由端口判断",
    "saturated": "按时应答的少于所提供的负载；时延随测试时长增长，只作为下限保留",
    "series_left_out": "既不是速率也不是时间的序列没有读取",
    "server_side": "由服务端打印",
    "stopped_early": "出错后测试提前停止；数值是停止之前的",
    "sum_and_streams_disagree": "打印的总和不等于各流之和；以字节数除以秒数为准",
    "truncated": "输出被截断；数值取自截断之前",
    "unit_assumed": "没有打印单位；取工具的默认单位",
    "unreachable_counted_as_received": "Windows 把目的不可达的应答算作收到；这里的丢包率不这样算",
}


def in_words(remark: str) -> str:
    """Return a remark with what it means.

    >>> in_words("unit_assumed: Mbits/s")
    'unit_assumed（没有打印单位；取工具的默认单位）：Mbits/s'
    """
    code, colon, own = remark.partition(":")
    if code not in REMARKS:
        return remark
    return f"{code}（{REMARKS[code]}）" + (f"：{own.strip()}" if colon else "")
