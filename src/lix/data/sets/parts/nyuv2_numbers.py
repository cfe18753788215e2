"""Numbers of NYUv2 that are not in its `.mat`: the test part, and 894 labels merged into 40."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAMES = 1449
_TEST = """
0-1 8 13-17 20 27-42 45-46 55-56 58-62 75-78 83-90 116-118 124-128 130-133 136 152-154 166-168
170-175 179-201 206-211 219-221 249 263 270-272 278-284 295-301 309-311 314-316 324-334 350-351
354-363 383-389 394-396 410-413 429-434 440-447 461-465 468-476 507-512 514-525 530-532 536-538
548-550 554-570 578-582 590-593 602-606 611-612 616-620 632-637 643-644 649-650 655-657 662-663
667-672 675-680 685-689 692-693 696-698 705-712 716-717 723-727 730-733 742-743 758-786 799-803
809-813 820-822 832-845 849-851 856-861 868-870 905-907 916-918 925-927 931-934 944-946 958-961
964-966 969-976 990-994 1000-1003 1009-1011 1020-1022 1031-1033 1037-1038 1047-1048 1051-1052
1056-1057 1074-1083 1087-1095 1097-1103 1105-1108 1116-1118 1122-1130 1134-1135 1143-1157
1161-1166 1169-1170 1173-1175 1178-1183 1191-1195 1200-1211 1215-1219 1225-1229 1232-1234
1246-1249 1253-1264 1274-1279 1284-1294 1296-1298 1301-1307 1313-1314 1328-1331 1334-1339
1346-1348 1352-1355 1363-1364 1367-1368 1383-1390 1393-1400 1406-1413 1420-1423 1429-1432
1440-1448
"""
"""Positions of the test part's 654 frames, from 0, as in the authors' `splits.mat`."""
_ALONE = """
21 11 3 157 5 83 19 28 59 88 64 7 80 36 42 89 169 119 122 143 141 4 85 17 172 15 135 123 26 45 331
158 124 24 144 136 55
"""
"""The one label of each of the classes 1 to 37, as in Gupta's `classMapping40.mat` (2013)."""
_STRUCTURES = """
8 25 33 38 51 53 57 58 62 65 79 94 104 112 134 153 215 216 223 225 238 241 242 256 295 301 339 342
354 363 372 380 392 408 412 453 456 463 477 497 541 550 553 567 573 582 591 609 612 615 642 645
657 658 659 663 667 668 686 700 702 777 778 782 850 861 868 874
"""
"""Labels of the class 38, otherstructure."""
_FURNITURE = """
12 43 48 50 87 106 111 161 163 174 183 204 214 219 221 224 236 262 278 291 298 313 343 344 356 359
373 393 401 414 418 419 430 443 444 447 448 457 458 460 462 475 479 485 486 493 494 498 499 509
510 515 521 524 540 549 551 554 556 558 576 580 608 625 703 734 770 772 797 800 803 804 813 814
815 820 829 835 858 863 882 892
"""
"""Labels of the class 39, otherfurniture; all that remain are 40, otherprop."""


def frames_of_test() -> list[int]:
    """Positions of the test part's frames.

    >>> len(frames_of_test()), FRAMES - len(frames_of_test())
    (654, 795)
    """
    pairs = [text.partition("-")[::2] for text in _TEST.split()]
    return [n for first, last in pairs for n in range(int(first), int(last or first) + 1)]


def merged_labels() -> NDArray[np.uint8]:
    """(895,) label among the 40 by label among the 894; 0, unlabelled, stays.

    >>> merged_labels()[[0, 21, 11, 5, 8, 894]].tolist()
    [0, 1, 2, 5, 38, 40]
    """
    table = np.full(895, 40, np.uint8)
    table[0] = 0
    for number, label in enumerate(_ALONE.split(), 1):
        table[int(label)] = number
    for number, labels in ((38, _STRUCTURES), (39, _FURNITURE)):
        table[[int(label) for label in labels.split()]] = number
    return table
