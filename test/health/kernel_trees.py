# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Trees of kernel files as boards have them, for tests."""

from __future__ import annotations

ORIN = {
    'sys/class/thermal/thermal_zone0/type': 'cpu-thermal',
    'sys/class/thermal/thermal_zone0/temp': '48750',
    'sys/class/thermal/thermal_zone0/trip_point_0_type': 'passive',
    'sys/class/thermal/thermal_zone0/trip_point_0_temp': '99000',
    'sys/class/thermal/thermal_zone0/trip_point_1_type': 'critical',
    'sys/class/thermal/thermal_zone0/trip_point_1_temp': '104500',
    'sys/class/thermal/thermal_zone1/type': 'gpu-thermal',
    'sys/class/thermal/thermal_zone1/temp': '46000',
    'sys/class/thermal/thermal_zone10/type': 'tj-thermal',
    'sys/class/thermal/thermal_zone10/temp': '49500',
    'sys/class/hwmon/hwmon0/name': 'tmp451',
    'sys/class/hwmon/hwmon1/name': 'ina3221',
    'sys/class/hwmon/hwmon1/in1_label': 'VDD_IN',
    'sys/class/hwmon/hwmon1/in1_input': '5000',
    'sys/class/hwmon/hwmon1/curr1_input': '1240',
    'sys/class/hwmon/hwmon1/curr1_max_alarm': '0',
    'sys/class/hwmon/hwmon1/curr1_crit_alarm': '0',
    'sys/class/hwmon/hwmon1/in2_label': 'VDD_CPU_GPU_CV',
    'sys/class/hwmon/hwmon1/in2_input': '4992',
    'sys/class/hwmon/hwmon1/curr2_input': '320',
    'sys/class/hwmon/hwmon2/name': 'soctherm_oc',
    'sys/class/hwmon/hwmon2/oc1_event_cnt': '0',
    'sys/class/hwmon/hwmon2/oc3_event_cnt': '2',
    'sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq': '1510400',
    'sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq': '1510400',
    'sys/devices/platform/gpu.0/load': '437',
    'proc/loadavg': '1.25 0.80 0.40 2/512 4711',
    'proc/uptime': '3600.50 14000.10',
    'proc/meminfo': 'MemTotal:        7802880 kB\nMemFree: 100 kB\nMemAvailable:    4194304 kB',
    'proc/stat': 'cpu  20 0 0 180 0 0 0 0\ncpu0 10 0 0 90 0 0 0 0\ncpu1 10 0 0 90 0 0 0 0\nintr 1',
    'proc/self/status': 'Name:\tpython3\nVmRSS:\t  348160 kB\nThreads:\t23',
}
PI = {
    'sys/class/thermal/thermal_zone0/type': 'cpu-thermal',
    'sys/class/thermal/thermal_zone0/temp': '61835',
    'sys/class/thermal/thermal_zone0/trip_point_0_type': 'critical',
    'sys/class/thermal/thermal_zone0/trip_point_0_temp': '110000',
    'sys/class/hwmon/hwmon0/name': 'rpi_volt',
    'sys/class/hwmon/hwmon0/in0_lcrit_alarm': '0',
    'sys/devices/platform/soc/soc:firmware/get_throttled': '0',
    'sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq': '2400000',
    'sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq': '2400000',
    'proc/loadavg': '0.10 0.10 0.10 1/100 1',
}


def plant(root, files):
    """Write files below a root; returns it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{content}\n', encoding='utf-8')
    return root
